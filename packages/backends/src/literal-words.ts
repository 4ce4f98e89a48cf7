import type { BuilderContainer } from '@hephy/core';

/**
 * The same container in Kubernetes' words: there `$(NAME)` in an argument or a variable is replaced, and `$$` stands for one
 * `$`. Source: k8s.io/api core/v1, Container.args and EnvVar.value.
 */
export function literalWords(container: BuilderContainer): BuilderContainer {
  const { command, args, environment } = container;
  const variables = Object.entries(environment).map(([name, value]) => [name, literal(value)]);
  return {
    ...container,
    ...(command && { command: command.map(literal) }),
    args: args.map(literal),
    environment: Object.fromEntries(variables),
  };
}

function literal(word: string): string {
  return word.replaceAll('$', '$$$$');
}
