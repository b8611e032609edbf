// The manifests' own command lines, as real processes with the files that their pods would mount: tokens of service
// accounts, an API server that has their keys, a kubelet with a certificate, and kube-apiserver's way to ask.

import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { askAsApiServer, nextWords } from '../rig/api-server.ts';
import { Deployed } from '../rig/deployed.ts';
import { Kubelet } from '../rig/kubelet.ts';
import { Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';

/** What the API server is told, as kubectl hears it. */
async function raw(rig: Rig, deployed: Deployed, path: string) {
  const { stdout, ...ended } = await rig.run('curl', [
    ...['--silent', '--show-error', '--cacert', deployed.cluster.authority.cert],
    `https://127.0.0.1:${deployed.cluster.apiPort}${path}`,
  ]);
  return { ...ended, said: stdout.toString() };
}

test('the API server reaches a kubelet through gateway, broker and agent, and each verifies the other', async () => {
  await using rig = new Rig();
  const deployed = await Deployed.start(rig);
  const { authority, api } = deployed.cluster;
  const server = await authority.issue('kubelet', { san: 'DNS:edge-1' });
  const kubelet = await Kubelet.start(rig, { server, clientCa: authority.cert });
  api.kubeletPort = kubelet.port;
  await (await deployed.agent('edge-1', { kubeletPort: kubelet.port })).ports();
  const socket = await deployed.gateway();
  expect(await raw(rig, deployed, '/api/v1/nodes/edge-1/proxy/healthz')).toMatchObject({
    code: 0,
    said: 'ok',
  });
  expect(kubelet.asked).toEqual([{ method: 'GET', url: '/healthz', as: 'apiserver-kubelet-client' }]);

  // What the agent's list does not name, and what no node serves, for which any agent is asked.
  for (const target of ['edge-1:22', '127.0.0.1:22']) {
    const { head, socket: refused } = await askAsApiServer(socket, target);
    expect(head).toMatch(/^HTTP\/1\.1 403 .*allow list/);
    refused.destroy();
  }
});

test('a pod reaches the API server at a port of its node', async () => {
  await using rig = new Rig();
  const deployed = await Deployed.start(rig);
  await (await deployed.controlPlaneAgent()).ports();
  const [local = 0] = await (await deployed.agent('edge-1')).ports();
  const name = 'kubernetes.default.svc';
  const { code, stdout, stderr } = await rig.run('curl', [
    ...['--silent', '--show-error', '--cacert', deployed.cluster.authority.cert],
    ...['--resolve', `${name}:${local}:127.0.0.1`, `https://${name}:${local}/version`],
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout.toString())).toMatchObject({ gitVersion: expect.stringMatching(/^v1\./) });
});

test("a pod's token makes it the agent of its own node and of no other, nor of the control plane", async () => {
  await using rig = new Rig();
  const deployed = await Deployed.start(rig);
  for (const node of ['edge-2', 'control-plane']) {
    const impostor = await deployed.agent(node, { tokenNode: 'edge-1' });
    expect(await impostor.exited).toBe(1);
    expect(impostor.log).toContain('(ERR_FORBIDDEN)');
  }
});

test('an agent that is rolled out leaves no dial without an answer, and no stream without its end', async () => {
  await using rig = new Rig();
  const deployed = await Deployed.start(rig);
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const pods = `127.0.0.1:${echo}`;
  const before = await deployed.agent('edge-1', { pods });
  await before.ports();
  const gateway = await deployed.gateway();
  const open = await askAsApiServer(gateway, pods);
  expect(await answerTo(open.socket, 'before')).toBe('before');

  await (await deployed.agent('edge-1', { pods })).ports();
  before.child.kill('SIGTERM');
  await before.said(/"draining"/);
  for (let dial = 0; dial < 20; dial += 1) {
    const { head, socket } = await askAsApiServer(gateway, pods);
    expect(head).toMatch(/^HTTP\/1\.1 200 /);
    expect(await answerTo(socket, 'after')).toBe('after');
    socket.destroy();
  }
  expect(before.child.exitCode).toBe(null);
  expect(await answerTo(open.socket, 'to the end')).toBe('to the end');
  open.socket.end();
  expect(await before.exited).toBe(0);
});

test('the two brokers of the overlay are one: an agent at either is reached through the other', async () => {
  await using rig = new Rig();
  const { deployed, urls } = await Deployed.startReplicated(rig);
  const [first = '', second = ''] = urls;
  expect(first).not.toBe(second);
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const pods = `127.0.0.1:${echo}`;
  await (await deployed.agent('edge-1', { pods })).ports();
  deployed.brokerUrl = second;
  const { head, socket } = await askAsApiServer(await deployed.gateway(), pods);
  expect(head).toMatch(/^HTTP\/1\.1 200 /);
  expect(await answerTo(socket, 'across')).toBe('across');
  socket.destroy();
});

async function answerTo(socket: Socket, words: string): Promise<string> {
  socket.write(words);
  let heard = '';
  while (heard.length < words.length) heard += await nextWords(socket);
  return heard;
}
