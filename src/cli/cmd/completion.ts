/** `completion bash|zsh|fish`: a script that completes commands and flags, made from the registry. */
import { type Command, defineCommand } from "../command.ts";
import { type Flag, flagName } from "../flags.ts";
import { GLOBAL_FLAGS } from "../globals.ts";
import { COMMANDS } from "../registry.ts";
import { usageError } from "../usage-error.ts";

const SHELLS: Readonly<Record<string, (words: CompletionWords) => string>> = { bash, zsh, fish };

/** What may follow: after a command's path its flags, after a part of a path the next words. */
type CompletionWords = ReadonlyMap<string, readonly string[]>;

export const command: Command = defineCommand({
  summary: "Print a completion script for a shell",
  description:
    "For bash: source <(sejf completion bash). For zsh: source <(sejf completion zsh). For fish: sejf completion fish | source.",
  flags: {},
  arguments: [{ name: "shell", help: "bash, zsh or fish", required: true }],
  async run(context, _flags, args) {
    const shell = args[0] ?? "";
    const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
    if (script === undefined)
      throw usageError(`no completion for ${JSON.stringify(shell)}, expected bash, zsh or fish`);
    context.out.write(script(await completionWords()));
    return 0;
  },
});

async function completionWords(): Promise<CompletionWords> {
  const words = new Map<string, Set<string>>();
  const add = (path: string, word: string): void => {
    const set = words.get(path) ?? new Set<string>();
    words.set(path, set.add(word));
  };
  const global = shownFlags(GLOBAL_FLAGS);
  add("", "help");
  for (const { path, hidden, load } of COMMANDS) {
    if (hidden === true) continue;
    const parts = path.split(" ");
    for (const [index, part] of parts.entries()) add(parts.slice(0, index).join(" "), part);
    const { command: loaded } = await load();
    for (const flag of [...shownFlags(loaded.flags), ...global]) add(path, flag);
  }
  return new Map(Array.from(words, ([path, set]) => [path, [...set].toSorted()]));
}

function shownFlags(flags: Readonly<Record<string, Flag<unknown>>>): readonly string[] {
  return Object.entries(flags)
    .filter(([, { hidden }]) => !hidden)
    .map(([key, { kind }]) => `--${flagName(key)}${kind === "switch" ? "" : "="}`);
}

function bash(words: CompletionWords): string {
  return `_sejf_words() {
  case "$1" in
${cases(words)}
  esac
}
_sejf() {
  local word path="" cur="\${COMP_WORDS[COMP_CWORD]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*|=) continue ;; esac
    if [ -n "$(_sejf_words "\${path:+$path }$word")" ]; then path="\${path:+$path }$word"; fi
  done
  COMPREPLY=($(compgen -W "$(_sejf_words "$path")" -- "$cur"))
  case "\${COMPREPLY[0]-}" in *=) compopt -o nospace ;; esac
}
complete -o default -F _sejf sejf
`;
}

function zsh(words: CompletionWords): string {
  return `autoload -Uz compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
${bash(words)}`;
}

function fish(words: CompletionWords): string {
  return `function __sejf_words
  switch "$argv[1]"
${Array.from(words, ([path, list]) => `    case '${path}'\n      printf '%s\\n' ${list.join(" ")}`).join("\n")}
  end
end
function __sejf_complete
  set -l path ''
  for word in (commandline -opc)[2..]
    string match -q -- '-*' $word; and continue
    set -l next (string trim "$path $word")
    test -n "$(__sejf_words "$next")"; and set path $next
  end
  __sejf_words "$path"
end
complete -c sejf -a '(__sejf_complete)'
`;
}

function cases(words: CompletionWords): string {
  return Array.from(words, ([path, list]) => `    '${path}') echo '${list.join(" ")}' ;;`).join(
    "\n",
  );
}
