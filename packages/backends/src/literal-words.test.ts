import { array, assert, constantFrom, property } from 'fast-check';
import { expect, test } from 'vitest';
import { literalWords } from './literal-words.ts';

/** What a kubelet makes of a word: `$(NAME)` is replaced where there is such a variable, `$$` becomes `$`. */
function expand(word: string): string {
  return word.replaceAll(/\$(?:\$|\(([^)]*)\))/g, (found, name?: string) =>
    name === undefined ? '$' : name === 'HOME' ? '/root' : found,
  );
}

const word = array(constantFrom('$', '(', ')', 'HOME', '$(HOME)', 'é'), { maxLength: 12 });

test('after Kubernetes has read them, arguments and variables are what they were', () => {
  assert(
    property(array(word), word, (words, parts) => {
      const args = words.map((one) => one.join(''));
      const value = parts.join('');
      const { args: sent, environment } = literalWords({
        image: 'kaniko',
        args,
        environment: { A: value },
      });
      expect(sent.map(expand)).toEqual(args);
      expect(expand(environment['A'] ?? '')).toBe(value);
    }),
  );
});
