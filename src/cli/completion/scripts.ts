// The shells' side of completion: each asks `fairlead __complete WORD…` what may stand where the cursor is, and shows it
// in its own way. Must never print what goes wrong into a line that somebody is typing.
//
// What comes back is a line `VALUE<TAB>DESCRIPTION` for each candidate, and `:files` or `:` at the end. The value of
// `--flag=value` comes without its flag. After `--quoted` the words are as they were typed, quotes and all.

const bash =
  shellText(String.raw`# bash completion of fairlead. For this shell: source <(fairlead completion bash)
# For all: fairlead completion bash > /etc/bash_completion.d/fairlead
_fairlead() {
  local rest=$COMP_LINE words=() word line directive i
  # bash has split words at "=" and ":": what no space is between is one word.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=$\{COMP_WORDS[i]}
    if [[ $i -eq 0 || $rest == [[:space:]]* || -z $rest ]]; then
      words+=("$word")
    else
      words[$\{#words[@]}-1]+=$word
    fi
    rest=$\{rest#"$\{rest%%[![:space:]]*}"}
    rest=$\{rest#"$word"}
  done
  word=$\{words[$\{#words[@]}-1]}
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :*) directive=$line ;;
      *) COMPREPLY+=("$\{line%%$'\t'*}") ;;
    esac
  done < <("$\{words[0]}" __complete --quoted "$\{words[@]:1}" 2>/dev/null)
  if [[ $directive == :files ]]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do
      COMPREPLY+=("$line")
    done < <(compgen -f -- "$\{word##*=}")
  fi
}
complete -F _fairlead fairlead
`);

const zsh = shellText(String.raw`#compdef fairlead
# zsh completion of fairlead. For this shell: source <(fairlead completion zsh)
# For all: fairlead completion zsh > "$\{fpath[1]}/_fairlead"
_fairlead() {
  local line directive value
  local -a described
  while IFS= read -r line; do
    case $line in
      :*) directive=$line ;;
      *$'\t'*) value=$\{line%%$'\t'*}; described+=("$\{value//:/\\:}:$\{line#*$'\t'}") ;;
      *) described+=("$\{line//:/\\:}") ;;
    esac
  done < <("$\{(Q)words[1]}" __complete "$\{(@Q)words[2,CURRENT]}" 2>/dev/null)
  # The value of --flag=value comes without its flag.
  [[ $PREFIX == --*=* ]] && compset -P '*='
  if [[ $directive == :files ]]; then
    _files
  elif (( $#described )); then
    _describe 'fairlead' described
  fi
}
if [[ $\{funcstack[1]} == _fairlead ]]; then
  _fairlead "$@"
else
  compdef _fairlead fairlead
fi
`);

const fish = `# fish completion of fairlead. For this shell: fairlead completion fish | source
# For all: fairlead completion fish > ~/.config/fish/completions/fairlead.fish
function __fairlead_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l current $words[-1]
    set -l flag (string match -r -- '^--[^=]*=' $current)
    for line in (command $words[1] __complete $words[2..-1] 2>/dev/null)
        switch $line
            case ':files'
                for path in (__fish_complete_path (string replace -- "$flag" '' $current))
                    echo "$flag$path"
                end
            case ':*'
            case '*'
                echo "$flag$line"
        end
    end
end
complete -c fairlead -f -a '(__fairlead_complete)'
`;

export const completionScripts = { bash, zsh, fish } as const;

/** A shell's own `${…}` is written `$\\{…}` above. */
function shellText(raw: string): string {
  return raw.replaceAll('$\\{', '$' + '{');
}
