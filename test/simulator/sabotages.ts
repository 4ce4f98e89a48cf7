/** Parts that are broken on purpose, each as a careless change might: the simulator has to notice every one. */
import type { Sabotage } from './simulate.ts';

const endOfTime = new Date(8.64e15);

export const sabotages: Record<string, Sabotage & { readonly noticedAs: RegExp }> = {
  'a record that lets every build have the tag': {
    noticedAs: /moved backwards/,
    records: () => ({ claimTag: () => true }),
  },
  'a record that gives a repository to everybody': {
    noticedAs: /moved backwards/,
    records: () => ({ lockRepository: () => true }),
  },
  'a record that applies a change to whatever version': {
    noticedAs: /./,
    records: (sound) => ({
      applyChange: (input) =>
        sound.applyChange({
          ...input,
          version: sound.readBuild(input.buildId)?.build.version ?? 0,
        }),
    }),
  },
  'a record that forgets how much of a log it has': {
    noticedAs: /is not what it wrote/,
    records: (sound) => ({
      claimWork(input) {
        const claim = sound.claimWork(input);
        return claim && { ...claim, logOffset: 0 };
      },
    }),
  },
  'a record that lists no builds to the reconciler': {
    noticedAs: /never ended/,
    records: () => ({ listDueBuilds: () => [] }),
  },
  'a record that brings no build forward': {
    noticedAs: /never ended/,
    records: () => ({ bringForward: () => undefined }),
  },
  'a driver that starts again what runs': {
    noticedAs: /was started twice/,
    builders: (sound) => ({
      startOrAdopt(spec) {
        sound.cancel(spec.name);
        sound.cleanUp(spec.name);
        return sound.startOrAdopt(spec);
      },
    }),
  },
  'a follower that waits for signals alone': {
    noticedAs: /was not told its end/,
    signalsAlone: true,
  },
  'a registry client that sends what has become too late': {
    noticedAs: /moved backwards/,
    registry: (sound) => ({
      moveTag: (input) => sound.moveTag({ ...input, before: endOfTime }),
    }),
  },
  'a registry client that tries a tag when it has become too late': {
    noticedAs: /moved backwards/,
    registry: (sound) => ({
      tryTag: (input) => sound.tryTag({ ...input, before: endOfTime }),
    }),
  },
  'a registry client that believes what builders report': {
    noticedAs: /is partial/,
    registry: (sound) => ({
      async verifyChild(input) {
        const answer = await sound.verifyChild(input);
        if (answer.ok) return answer;
        const descriptor = { mediaType: '', digest: input.digest, size: 0 };
        const configPlatform = { os: '', architecture: '' };
        const { platform } = input;
        const bytes = new Uint8Array();
        return { ok: true, value: { platform, configPlatform, descriptor, bytes } };
      },
    }),
  },
};
