import { describeFailure, reasons, type Reason, type ReasonClass } from '@hephy/core';
import { heading, table } from './markdown.ts';

const classes: Record<ReasonClass, string> = {
  user: 'the repository or the settings of the app have to change; the operator need not be woken',
  infrastructure: 'the machine, its disk or its programs',
  registry: 'the registry, the way to it, or what it holds',
  hook: 'the image is published; only the receiver of the release hook did not take the release',
  internal: 'a mistake of ours',
};

/** `docs/reasons.md`: each reason, what it means, and what to do. */
export function reasonsPage(): string {
  const names = Object.keys(reasons) as Reason[];
  return [
    ...heading('Reasons', '`reasons` in packages/core/src/reasons.ts'),
    'Why a build failed. The name is in the API (`failure.reason`) and never changes its meaning; the sentence is in the',
    'push, in `hephy builds` and in the API (`failure.sentence`). “Tried again” means that the same step is started again by',
    'itself, a few times, before the build fails.',
    '',
    ...table(
      ['Class', 'What has to change'],
      Object.entries(classes).map(([name, meaning]) => [name, meaning]),
    ),
    '',
    ...table(
      ['Reason', 'Class', 'Tried again'],
      names.map((name) => [
        `[${name}](#${name.toLowerCase()})`,
        reasons[name].class,
        triedAgain(reasons[name]),
      ]),
    ),
    ...names.flatMap(section),
    '',
  ].join('\n');
}

function triedAgain({ retried }: (typeof reasons)[Reason]): string {
  if (retried === 'once') return 'once';
  return retried ? 'yes' : 'no';
}

function section(name: Reason): string[] {
  const { means, todo } = reasons[name];
  const example = { reason: name, platform: 'linux/arm64', exitCode: 1 };
  return [
    '',
    `## ${name}`,
    '',
    `“${describeFailure(example)}”`,
    '',
    `- **Means:** ${means}`,
    `- **Do:** ${todo}`,
  ];
}
