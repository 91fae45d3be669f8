# SPDX-License-Identifier: Apache-2.0
#
# hull.bash - completion for hull: commands and options from hull itself, names that exist now

# Everything is asked of the same hull, store and run directory as the line being typed.
_hull_ask()
{
	command "${_hull_argv[@]}" "$@" 2> /dev/null
}

_hull_containers()
{
	_hull_ask ps -a --format '{{.Names}}' "$@"
}

_hull_images()
{
	_hull_ask images --format '{{.Repository}}:{{.Tag}}' | sed -n 's/:latest$/&/;/<none>/!p'
	_hull_ask images --format '{{.Repository}}:{{.Tag}}' | sed -n 's/:latest$//p'
}

_hull_volumes()
{
	_hull_ask volume ls -q
}

# Values of options, by the option's long or short name; 1 when there is nothing to offer.
_hull_option_value()
{
	case $1 in
	--isolation) echo "container vm" ;;
	--network | --net) echo "none host" ;;
	--pull) echo "missing never" ;;
	--userns | --uts | --cgroupns) echo "private host" ;;
	--pid | --ipc)
		echo "private host"
		_hull_containers | sed 's/^/container:/'
		;;
	--log-level | -l) echo "error warn info debug" ;;
	--signal | -s | --stop-signal) kill -l | tr -s '\t ' '\n' | grep -o 'SIG.*' ;;
	--machine) echo "hull-vmm qemu" ;;
	--type) echo "container image volume" ;;
	--format | -f) echo "table json" ;;
	--volume | -v) _hull_volumes | sed 's/$/:/' ;;
	*) return 1 ;;
	esac
}

# Names for the words of a command.
_hull_words()
{
	case $1 in
	run | create | compare | history | rmi | tag | save | "image "*) _hull_images ;;
	start) _hull_containers --filter status=exited --filter status=created ;;
	stop | kill | pause | exec | attach | top | stats | restart | wait | update)
		_hull_containers --filter status=running --filter status=paused
		;;
	unpause) _hull_containers --filter status=paused ;;
	cp) _hull_containers | sed 's/$/:/' ;;
	inspect)
		_hull_containers
		_hull_images
		_hull_volumes
		;;
	"volume "*) _hull_volumes ;;
	rm | logs | rename | diff | export | "container "*) _hull_containers ;;
	esac
}

_hull()
{
	local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local i word command=() options candidates words=0
	local _hull_argv=("${COMP_WORDS[0]}")

	# bash splits at "=": put "--name=value" together again.
	if [[ $cur == "=" ]]; then
		cur=
	elif [[ $previous == "=" ]]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		--root | --run-root | --log-level | -l)
			if ((${#command[@]} == 0 && i + 1 < COMP_CWORD)); then
				_hull_argv+=("$word" "${COMP_WORDS[i + 1]}")
				((i++))
			fi
			;;
		-* | =) ;;
		*)
			if ((${#command[@]} == 0)); then
				command=("$word")
			elif ((${#command[@]} == 1)) && [[ " container image volume vm system " == *" ${command[0]} "* ]]; then
				command+=("$word")
			else
				((words++))
			fi
			;;
		esac
	done
	options=$(_hull_ask internal complete "${command[@]}")
	if [[ $previous == -* ]] && grep -qxe "$previous=" <<< "$options"; then
		candidates=$(_hull_option_value "$previous") || {
			compopt -o default
			return
		}
	elif ((${#command[@]} == 0)) && [[ $cur == -* ]]; then
		candidates="--root --run-root --log-level --version --help"
	elif [[ $options != *--help* ]]; then
		candidates=$options
	elif [[ $cur == -* ]]; then
		candidates=${options//=/}
	elif [[ " run create exec compare container " == *" ${command[0]} "* ]] && ((words > 0)); then
		compopt -o default
		return
	else
		candidates=$(_hull_words "${command[*]}")
		[[ ${command[0]} == cp ]] && compopt -o default
	fi
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
	[[ ${COMPREPLY[0]} == *: ]] && compopt -o nospace
	# What stands before a colon is a word of its own for readline.
	if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
		for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
			COMPREPLY[i]=${COMPREPLY[i]#"${cur%"${cur##*:}"}"}
		done
	fi
}

complete -F _hull hull
