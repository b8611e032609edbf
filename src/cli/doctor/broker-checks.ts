// Whether what answers is a Fairlead broker, how its clock stands, and whether a WebSocket can be opened through
// whatever is in between. Nobody is shown a token before it has answered as a broker does.

import { randomBytes } from 'node:crypto';
import WebSocket from 'ws';
import { decodeControl, helloSchema, parsePayload } from '../../protocol/control.ts';
import { frameTypes } from '../../protocol/frame.ts';
import { formatSpan } from '../age.ts';
import { type Finding, fail, ok, skip, warn } from './check.ts';
import { type Examination, tlsOptions, type UpgradeAnswer, wayOptions } from './examination.ts';
import { type ProbeAnswer, probe } from './http-probe.ts';

/** A broker takes a token this much before its time: beyond, the clocks matter. */
const leewayMs = 5_000;
const wrongClockMs = 60_000;

const dialPath = '/v1/dial';

const withoutUpgrade =
  'the request reaches the broker without its Upgrade header: something in between has taken it out';

/** For the question whether a link can be opened at all, where no node is named. */
const anyNode = 'doctor';

export async function checkBroker(examination: Examination): Promise<Finding> {
  const { url, timeoutMs } = examination;
  let answer: ProbeAnswer;
  try {
    answer = await probe(httpUrl(examination, '/healthz'), await requestOptions(examination), timeoutMs);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const advice =
      url.protocol === 'ws:'
        ? 'what listens there may want TLS, or may not speak HTTP: try wss://, or correct the port in --broker'
        : 'see the log of the broker, or of what is in front of it; where it asks for a certificate, give --cert and --key';
    return fail(`${url.host} does not answer over HTTP: ${why}`, advice);
  }
  learnClock(examination, answer);
  const { status, headers } = answer;
  if (parsed(answer.body).status !== 'ok' || status !== 200) {
    // What is in front may let nothing through but what links need.
    const link = await probe(httpUrl(examination, dialPath), tlsOptions(examination), timeoutMs);
    if (interpret(link.status, link.body) === withoutUpgrade)
      return ok('a Fairlead broker, of which only the paths for links are to be seen');
    const server = headers.server ?? headers.via;
    const where = headers.location === undefined ? '' : `, which sends to ${headers.location.slice(0, 120)}`;
    const who = server === undefined ? '' : `, server "${String(server).slice(0, 60)}"`;
    return fail(
      `what answers at ${url.host} is not a Fairlead broker (HTTP ${status}${who}${where})`,
      'correct host, port and path in --broker; a login page or a filter may answer in its place',
    );
  }
  const ready = await probe(httpUrl(examination, '/readyz'), await requestOptions(examination), timeoutMs);
  if (ready.status === 200) return ok('a Fairlead broker, ready');
  const state = String(parsed(ready.body).status ?? `HTTP ${ready.status}`);
  return warn(
    `a Fairlead broker that is not ready: ${state}`,
    state === 'draining' ? 'it is shutting down: another takes its place' : "see the broker's log",
  );
}

export async function checkClock(examination: Examination): Promise<Finding> {
  const { skewMs } = examination;
  if (skewMs === undefined) return skip('the broker does not tell its time');
  const off = Math.abs(skewMs);
  const says = `this machine's clock is ${formatSpan(off / 1000)} ${skewMs > 0 ? 'behind' : 'ahead of'} the broker's`;
  const advice = 'set both clocks by NTP ("timedatectl set-ntp true"): tokens are judged by the broker’s';
  // The Date header has whole seconds.
  if (off <= 2000) return ok("this machine's clock and the broker's agree");
  if (off <= leewayMs) return ok(says);
  return off <= wrongClockMs ? warn(says, advice) : fail(says, advice);
}

export async function checkWebSocket(examination: Examination): Promise<Finding> {
  const outcome = await tryUpgrade(examination);
  if (typeof outcome !== 'string') {
    examination.upgrade = outcome;
    if (outcome.kind === 'opened') return ok('a link opens, and the broker speaks on it');
    const answer = outcome.kind === 'refused' ? `answers ${outcome.status}` : 'knows who calls';
    return ok(`the request for a WebSocket reaches the broker, which ${answer}`);
  }
  return fail(
    outcome,
    'let the proxy or load balancer in front of the broker pass WebSockets: HTTP/1.1, with the headers Upgrade and Connection, and no buffering',
  );
}

/** What the broker answered, or what went wrong on the way. */
async function tryUpgrade(examination: Examination): Promise<UpgradeAnswer | string> {
  const { token, timeoutMs, node, isAgent } = examination;
  const url = pathUrl(examination, isAgent ? '/v1/agent' : dialPath);
  if (!isAgent) {
    url.searchParams.set('node', node ?? anyNode);
    url.searchParams.set('session', randomBytes(8).toString('hex'));
  }
  // An agent's link would be sent sessions: without the subprotocol the broker says who calls, and opens none.
  const socket = new WebSocket(url, isAgent ? [] : ['fairlead.v1'], {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    handshakeTimeout: timeoutMs,
    perMessageDeflate: false,
    maxPayload: 1_048_576,
    ...(await requestOptions(examination)),
  });
  const outcome = await new Promise<UpgradeAnswer | string>((resolve) => {
    let isOpen = false;
    const timer = setTimeout(
      () => resolve('the connection was upgraded, but nothing of what the broker says comes through'),
      timeoutMs * 2,
    );
    socket.once('open', () => {
      isOpen = true;
    });
    socket.once('message', (data: Buffer) =>
      resolve(
        isHello(data)
          ? { kind: 'opened' }
          : 'what comes through the upgraded connection is not what a broker says',
      ),
    );
    socket.once('unexpected-response', (_, response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (body.length < 65_536) body += chunk;
      });
      response.once('error', () => resolve(interpret(response.statusCode ?? 0, body)));
      response.once('end', () => resolve(interpret(response.statusCode ?? 0, body)));
    });
    socket.once('close', (code, reason) => {
      clearTimeout(timer);
      // A broker that has taken the request and thinks better of it.
      if (code >= 4000) resolve({ kind: 'refused', status: code, message: reason.toString().slice(0, 200) });
      else
        resolve(
          isOpen
            ? `the upgraded connection was closed at once (${code})`
            : 'the connection was closed without an answer to the upgrade',
        );
    });
    socket.on('error', (error) => {
      if (!isOpen) resolve(`the request for a WebSocket failed: ${error.message}`);
    });
  });
  socket.terminate();
  return outcome;
}

async function requestOptions(examination: Examination) {
  return { ...tlsOptions(examination), ...(await wayOptions(examination)) };
}

function interpret(status: number, body: string): UpgradeAnswer | string {
  const { error } = parsed(body);
  const said: { code?: unknown; message?: unknown } =
    typeof error === 'object' && error !== null ? error : {};
  if (typeof said.code !== 'string' || typeof said.message !== 'string')
    return `something in front of the broker answers the request for a WebSocket itself (HTTP ${status})`;
  if (status === 426 || (status === 400 && /WebSocket handshake/.test(said.message))) return withoutUpgrade;
  if (status === 400 && /subprotocol/.test(said.message)) return { kind: 'recognised' };
  return { kind: 'refused', status, message: said.message.slice(0, 300) };
}

function isHello(data: Buffer): boolean {
  try {
    const [first] = decodeControl(data);
    if (first?.type !== frameTypes.HELLO) return false;
    parsePayload(helloSchema, first.payload);
    return true;
  } catch {
    return false;
  }
}

function learnClock(examination: Examination, { headers, atMs }: ProbeAnswer): void {
  const theirs = Date.parse(headers.date ?? '');
  // The header is cut to the second: on average, half of one is missing.
  if (!Number.isNaN(theirs)) examination.skewMs = theirs + 500 - atMs;
}

function pathUrl({ url }: Examination, path: string): URL {
  const there = new URL(url);
  there.pathname = `${there.pathname.replace(/\/+$/, '')}${path}`;
  return there;
}

function httpUrl(examination: Examination, path: string): URL {
  const url = pathUrl(examination, path);
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  return url;
}

function parsed(body: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
