# SPDX-License-Identifier: Apache-2.0
# stages.bash - what a workload is at when something of it is killed, and that this is so
# shellcheck shell=bash

# What the victim runs: it tells that it lives, and that it was asked to stop, and goes on.
workload='trap "echo stopping" TERM; while :; do echo tick; sleep 1; done'

# reach STAGE: with the container "victim"; a client that stays is $client
reach() {
	case $1 in
	idle) return ;;
	exec) hull exec victim sh -c 'echo tick; sleep 1000000' >"$store/client" 2>&1 3>&- & ;;
	paused)
		hull pause victim
		return
		;;
	unpaused)
		hull pause victim
		hull unpause victim
		return
		;;
	attached) hull attach victim >"$store/client" 2>&1 3>&- & ;;
	stopping) hull stop -t 300 victim >/dev/null 2>&1 3>&- & ;;
	*) return 1 ;;
	esac
	client=$!
	if [ "$1" = stopping ]; then
		AWAIT_S=60 await sh -c 'hull logs victim | grep -q stopping'
	else
		AWAIT_S=60 await grep -q tick "$store/client"
	fi
}

# The client of a stage ends with what it was connected to.
client_ends() {
	[ -n "${client:-}" ] || return 0
	AWAIT_S=60 await sh -c "! kill -0 $client"
	unset client
}

end_client() {
	[ -z "${client:-}" ] || kill -9 "$client" 2>/dev/null || true
}
