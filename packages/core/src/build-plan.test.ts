import { describe, expect, it } from 'vitest';
import { AppSettings } from './app.ts';
import { planBuild } from './build-plan.ts';

const sha = '0123abcd'.repeat(5);

function plan(settings: Partial<AppSettings> = {}) {
  const app = { name: 'shop', settings: AppSettings.parse(settings) };
  return planBuild({ app, sha, registry: 'registry.test:5000/apps' });
}

describe('the plan of a build', () => {
  it("tags the commit and the app's moving tag, the moving one last", () => {
    const [image] = plan().images;
    expect(image?.repository).toBe('registry.test:5000/apps/shop');
    expect(image?.tags).toEqual(['git-0123abcd', 'latest']);
    expect(plan({ movingTag: null }).images[0]?.tags).toEqual(['git-0123abcd']);
  });

  it('says the full commit in a label that no setting replaces', () => {
    const labels = { 'org.opencontainers.image.revision': 'fake', team: 'web' };
    expect(plan({ labels }).images[0]?.labels).toEqual({
      'org.opencontainers.image.revision': sha,
      team: 'web',
    });
  });

  it('makes an index for several platforms, and for one when the app asks for it', () => {
    const platforms = ['linux/arm64'];
    expect(plan().images[0]?.index).toBe(true);
    expect(plan({ platforms }).images[0]?.index).toBe(false);
    expect(plan({ platforms, publishIndex: true }).images[0]?.index).toBe(true);
  });

  it('keeps what the app asks of its builder', () => {
    const options = { compression: 'zstd', cacheRepository: '${REPOSITORY}/c-${ARCH}' } as const;
    expect(plan(options).images[0]?.options).toEqual({
      imageFormat: null,
      compressionLevel: null,
      snapshotMode: null,
      cacheTtlHours: null,
      ...options,
    });
  });

  it('carries the limits and whether there is a hook, but not where it is', () => {
    const hookUrl = 'https://hook.test/secret-path';
    const planned = plan({ hookUrl, timeLimitSeconds: 90, requireNativeNodes: false });
    expect(planned).toMatchObject({ hook: true, timeLimitSeconds: 90, requireNativeNodes: false });
    expect(JSON.stringify(planned)).not.toContain('secret-path');
    expect(plan().hook).toBe(false);
  });
});
