# SPDX-License-Identifier: Apache-2.0
"""The contract, one module a topic."""
