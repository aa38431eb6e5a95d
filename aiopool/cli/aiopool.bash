# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for aiopool

# The index of the first word after the command that is not an option or its value.
_aiopool_first_word ()
{
  local i

  for ((i = 2; i < COMP_CWORD; i++)); do
    case "${COMP_WORDS[i]}" in
      -j|--jobs|--timeout|--retries|--chunk|--delay|--halt|--joblog)
        [[ "${COMP_WORDS[i+1]-}" == = ]] && ((i++))
        ((i++))
        while [[ "${COMP_WORDS[i+1]-}" == = ]]; do ((i += 2)); done
        ;;
      -*) ;;
      *) break ;;
    esac
  done
  ((i > COMP_CWORD)) && i=$COMP_CWORD
  echo "$i"
}

_aiopool_files ()
{
  local files

  compopt -o filenames 2>/dev/null
  mapfile -t files < <(compgen -f -- "$1")
  COMPREPLY+=("${files[@]}")
}

# Values of --halt have a "=" of their own, which bash makes a word of: what was typed so far has to
# be put together, and only what follows its last "=" is to be replied.
_aiopool_halt ()
{
  local i word typed='' rest

  for ((i = COMP_CWORD; i > 1; i--)); do
    word="${COMP_WORDS[i]}"
    [[ "$word" == --halt ]] && break
    [[ "$word" == = || "${COMP_WORDS[i-1]}" == = || "${COMP_WORDS[i-1]}" == --halt ]] || return 1
    typed="$word$typed"
  done
  ((i > 1 && i < COMP_CWORD)) || return 1

  typed="${typed#=}"
  rest="${typed%"${typed##*=}"}"
  COMPREPLY=($(compgen -W 'never soon,fail=1 now,fail=1 soon,fail=10% now,fail=10%
                           soon,success=1 now,success=1 soon,done=1 now,done=1' -- "$typed"))
  [[ "$COMP_WORDBREAKS" == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"$rest"}")
  return 0
}

_aiopool ()
{
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
  local common='-j --jobs --bar -0 --null --timeout --retries --chunk --delay --halt --joblog
                --resume --resume-failed --dry-run --help'
  local functions='echo sha256 sha1 md5 sleep command'
  local options first

  # bash makes three words of "--jobs=4".
  [[ "$current" == = ]] && current=''
  [[ "$previous" == = ]] && previous="${COMP_WORDS[COMP_CWORD-2]}"

  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W 'map run trace info --version --help' -- "$current"))
    return
  fi

  case "${COMP_WORDS[1]}" in
    map) options="$common -u --unordered --json" ;;
    run) options="$common -k --keep-order" ;;
    trace) options='-o --output --width --help' ;;
    info) options='--json --help' ;;
    *) return ;;
  esac

  case "$previous" in
    -j|--jobs) COMPREPLY=($(compgen -W "1 2 4 $(nproc 2>/dev/null)" -- "$current")); return ;;
    --timeout|--delay|--width) return ;;
    --retries) COMPREPLY=($(compgen -W '0 2 3 5' -- "$current")); return ;;
    --chunk) COMPREPLY=($(compgen -W 'auto 10 100 1000' -- "$current")); return ;;
    --joblog) _aiopool_files "$current"; return ;;
  esac

  _aiopool_halt && return
  first="$(_aiopool_first_word)"
  if [[ "${COMP_WORDS[1]}" == trace && "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif ((COMP_CWORD == first)) && [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ "${COMP_WORDS[1]}" == map ]] && ((COMP_CWORD == first)); then
    COMPREPLY=($(compgen -W "$functions" -- "$current"))
    _aiopool_files "$current"
  elif [[ "${COMP_WORDS[1]}" == run ]] && ((COMP_CWORD == first)); then
    COMPREPLY=($(compgen -c -- "$current"))
  elif [[ "${COMP_WORDS[1]}" != info ]]; then
    # Not for a half of it: bash takes colons for borders of words.
    [[ "${COMP_WORDS[1]}" == run && -z "$current" ]] && COMPREPLY=(':::')
    _aiopool_files "$current"
  fi
}

complete -F _aiopool aiopool
