import { expect, test } from 'vitest';
import { createUrlGuard } from './url-guard.ts';

const guard = createUrlGuard({
  allowPrivate: [],
  lookup: async (hostname) =>
    hostname === 'mixed.example.com'
      ? [
          { address: '10.0.0.1', family: 4 },
          { address: '93.184.215.14', family: 4 },
        ]
      : [{ address: '93.184.215.14', family: 4 }],
});

test.for([
  'http://127.0.0.1/',
  'http://0x7f.1/',
  'http://2130706433/',
  'http://0.0.0.0/',
  'http://10.1.2.3/',
  'http://172.16.0.1/',
  'http://192.168.1.1/',
  'http://100.64.0.1/',
  'http://169.254.169.254/latest/meta-data',
  'http://224.0.0.1/',
  'http://255.255.255.255/',
  'http://[::1]/',
  'http://[::]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:a9fe:a9fe]/',
  'http://[64:ff9b::7f00:1]/',
  'http://[::127.0.0.1]/',
  'http://[::a00:1]/',
  'http://[fe80::1]/',
  'http://[fd00:ec2::254]/',
  'http://[ff02::1]/',
])('a hook may not reach %s', async (url) => {
  expect(await guard(url)).toMatchObject({ ok: false, temporary: false });
});

test.for(['ftp://example.com/', 'file:///etc/passwd', 'example.com/hook', ''])(
  'a hook address is http or https, not "%s"',
  async (url) => {
    expect(await guard(url)).toMatchObject({ ok: false, why: expect.stringContaining('http://') });
  },
);

test('a hook address holds no credentials, and the refusal does not repeat them', async () => {
  const verdict = await guard('https://ada:hunter2@example.com/hook');
  expect(verdict).toMatchObject({ ok: false, temporary: false });
  expect(JSON.stringify(verdict)).not.toContain('hunter2');
});

test('a public name is dialed at the addresses that were looked up', async () => {
  expect(await guard('https://example.com/hook')).toMatchObject({
    ok: true,
    target: { addresses: [{ address: '93.184.215.14', family: 4 }] },
  });
});

test.for(['http://93.184.215.14/', 'http://[2606:4700::1111]/'])(
  'a hook may reach %s',
  async (url) => {
    expect(await guard(url)).toMatchObject({ ok: true });
  },
);

test('of a name with private and public addresses only the public ones are dialed', async () => {
  expect(await guard('https://mixed.example.com/hook')).toMatchObject({
    ok: true,
    target: { addresses: [{ address: '93.184.215.14' }] },
  });
});

test('the operator can allow a range, an address or a host', async () => {
  const open = createUrlGuard({
    allowPrivate: ['10.9.0.0/16', '192.168.1.7', 'Deployer.internal', '::1'],
    lookup: () => Promise.resolve([{ address: '10.1.2.3', family: 4 }]),
  });
  expect(await open('http://10.9.4.4/')).toMatchObject({ ok: true });
  expect(await open('http://10.8.4.4/')).toMatchObject({ ok: false });
  expect(await open('http://192.168.1.7/')).toMatchObject({ ok: true });
  expect(await open('http://192.168.1.8/')).toMatchObject({ ok: false });
  expect(await open('http://deployer.internal./')).toMatchObject({ ok: true });
  expect(await open('http://other.internal/')).toMatchObject({ ok: false });
  expect(await open('http://[::1]/')).toMatchObject({ ok: true });
});
