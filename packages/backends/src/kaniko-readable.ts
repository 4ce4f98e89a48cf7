/** A line of the executor itself, as `--log-format=text` writes it. Source: logrus 1.9, TextFormatter. */
const ownLine = /^time="[^"\n]*" level=(\w+) msg=(?:("(?:[^"\\\n]|\\.)*")|([^\s"]\S*))[^\n]*$/gm;

/** Whole lines of a log, the executor's own without their time, and with a level only if that is worth a look. */
export function readableKanikoLog(lines: string): string {
  return lines.replace(ownLine, (line: string, ...found: (string | undefined)[]) => {
    const [level, quoted, plain] = found;
    const message = quoted === undefined ? plain : unquoted(quoted);
    if (message === undefined) return line;
    return level === 'info' ? message : `${level}: ${message}`;
  });
}

/** Undefined where Go's escapes are not JSON's: then the line stays as it is. */
function unquoted(text: string): string | undefined {
  try {
    return String(JSON.parse(text)).replaceAll('\n', ' ');
  } catch {
    return undefined;
  }
}
