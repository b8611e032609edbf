// Which proxy is on the way, as people know it from curl: the variables, and the exceptions to them.

import { expect, test } from 'vitest';
import { chooseProxy } from '../../src/link/proxy-choice.ts';

const proxy = 'http://proxy.corp:3128';

function chosen(url: string, env: Record<string, string>, given?: string): string | undefined {
  return chooseProxy(new URL(url), given, env).proxy?.origin;
}

test('wss: goes by HTTPS_PROXY, ws: by HTTP_PROXY, and either by ALL_PROXY', () => {
  expect(chosen('wss://b.example', { HTTPS_PROXY: proxy })).toBe(proxy);
  expect(chosen('wss://b.example', { https_proxy: proxy, HTTPS_PROXY: 'http://other:1' })).toBe(proxy);
  expect(chosen('wss://b.example', { HTTP_PROXY: proxy })).toBeUndefined();
  expect(chosen('ws://b.example', { http_proxy: proxy })).toBe(proxy);
  expect(chosen('ws://b.example', { ALL_PROXY: 'proxy.corp:3128' })).toBe(proxy);
  expect(chosen('wss://b.example', {})).toBeUndefined();
});

test('what is given wins over the environment, and "" means directly', () => {
  expect(chosen('wss://b.example', { HTTPS_PROXY: 'http://other:1' }, proxy)).toBe(proxy);
  expect(chosen('wss://b.example', { HTTPS_PROXY: proxy }, '')).toBeUndefined();
});

test.each(['ws://127.0.0.1:1', 'ws://localhost:1', 'wss://[::1]:1'])(
  '%s is on this machine: no proxy of the environment is asked for it, one that was given is',
  (url) => {
    expect(chosen(url, { ALL_PROXY: proxy })).toBeUndefined();
    expect(chosen(url, {}, proxy)).toBe(proxy);
  },
);

test.each([
  ['*', 'wss://b.example'],
  ['b.example', 'wss://b.example'],
  ['B.Example', 'wss://b.example'],
  ['example', 'wss://b.example'],
  ['.example', 'wss://b.example'],
  ['*.example', 'wss://b.example'],
  ['other, b.example:443', 'wss://b.example'],
  ['b.example:8443', 'wss://b.example:8443'],
  ['10.1.2.3', 'wss://10.1.2.3'],
  ['10.0.0.0/8', 'wss://10.1.2.3'],
  ['10.0.0.0/8', 'wss://[::ffff:10.1.2.3]'],
  ['fd00::/8', 'wss://[fd00::7]:8443'],
  ['[fd00::7]:8443', 'wss://[fd00:0::7]:8443'],
])('NO_PROXY=%s names %s', (NO_PROXY, url) => {
  expect(chosen(url, { HTTPS_PROXY: proxy, NO_PROXY })).toBeUndefined();
  expect(chooseProxy(new URL(url), undefined, { HTTPS_PROXY: proxy, NO_PROXY }).because).toMatch('NO_PROXY');
});

test.each([
  ['xample', 'wss://b.example'],
  ['a.b.example', 'wss://b.example'],
  ['b.example:80', 'wss://b.example'],
  ['10.0.0.0/8', 'wss://11.1.2.3'],
  ['10.0.0.0/99', 'wss://10.1.2.3'],
  ['10.1.2', 'wss://10.1.2.3'],
  ['fd00::/8', 'wss://10.1.2.3'],
  ['', 'wss://b.example'],
  [' , ,', 'wss://b.example'],
])('NO_PROXY=%s does not name %s', (NO_PROXY, url) => {
  expect(chosen(url, { HTTPS_PROXY: proxy, NO_PROXY })).toBe(proxy);
});

test.each([
  'socks5://u:geheim@proxy:1080',
  'http://',
  'http://u:geheim%@proxy:1',
  'http://[::1',
  'ftp://proxy',
])('%s is refused as a proxy, and no password of it is shown', (text) => {
  const refused = expect.objectContaining({
    code: 'ERR_CONFIG',
    message: expect.not.stringMatching('geheim'),
  });
  expect(() => chosen('wss://b.example', { HTTPS_PROXY: text })).toThrow(refused);
  expect(() => chosen('wss://b.example', {}, text)).toThrow(refused);
});
