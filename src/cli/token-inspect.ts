// `fairlead token inspect`: says what a token holds, and with a broker's keys whether that broker would take it.
// Must never print the signature: without it, what is printed is no token.

import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type ProtectedHeaderParameters } from 'jose';
import type { Logger } from 'pino';
import { type Identity, openAuth, verifierOf } from '../broker/index.ts';
import { FairleadError } from '../protocol/errors.ts';
import { type AuthOptions, addAuthOptions, authSources, hasAuth } from './auth.ts';
import { readText } from './credentials.ts';
import { Failure } from './failure.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';

interface InspectOptions extends AuthOptions, LogOptions {
  readonly json?: boolean;
}

interface Verdict {
  readonly checked: boolean;
  readonly accepted?: boolean;
  /** Whom a broker takes it for, or why it does not. */
  readonly says: string;
}

interface Decoded {
  readonly header: ProtectedHeaderParameters;
  readonly claims: JWTPayload;
}

export function addInspectCommand(token: Command): void {
  const command = token
    .command('inspect')
    .summary('explain a token')
    .description(
      'Says what a token from a file or stdin holds, without its signature. Given the keys of a broker, with the flags that the broker has, says whether it would take it, and exits 1 where not.',
    )
    .argument('[file]', 'file that holds the token; default: stdin')
    .option('--json', 'print header, claims and verdict as JSON')
    .addHelpText(
      'after',
      [
        '',
        'Examples:',
        '  fairlead token inspect edge-1.token',
        '  fairlead token inspect --auth-secret-file secret < edge-1.token',
      ].join('\n'),
    );
  addAuthOptions(command);
  addLogOption(command, 'warn').action(inspect);
}

async function inspect(file: string | undefined, options: InspectOptions): Promise<void> {
  const log = await createLog(options);
  const from = file === undefined || file === '-' ? 'stdin' : file;
  const token = (from === 'stdin' ? await readAll(process.stdin) : await readText(from)).trim();
  const decoded = decode(token, from);
  const verdict = await judge(token, options, log);
  process.stdout.write(
    options.json === true ? `${JSON.stringify({ ...decoded, verdict })}\n` : explain(decoded, verdict),
  );
  if (verdict.accepted === false) process.exitCode = 1;
}

function decode(token: string, from: string): Decoded {
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch {
    // The parser's message could quote what it read.
    throw new Failure(`${from} does not hold a token: it should be one line as printed by "fairlead token"`);
  }
}

async function judge(token: string, options: InspectOptions, log: Logger): Promise<Verdict> {
  if (!hasAuth(options))
    return { checked: false, says: "not checked: add the broker's --auth-… flags for that" };
  const auth = await openAuth(await authSources(options, log), log).catch((error: unknown) => {
    throw error instanceof FairleadError ? new Failure(error.message) : error;
  });
  try {
    const identity = await verifierOf(auth.issuers)(token);
    return {
      checked: true,
      accepted: true,
      says: `good: a broker with these keys takes it for ${name(identity)}`,
    };
  } catch (error) {
    if (!(error instanceof FairleadError)) throw error;
    return { checked: true, accepted: false, says: `refused: ${error.message}` };
  } finally {
    auth.close();
  }
}

function name(identity: Identity): string {
  const principal = quoted(identity.principal);
  if (identity.kind === 'agent') return `${principal}, the agent of the node ${quoted(identity.node)}`;
  return `${principal}, who may dial ${identity.nodes.map(quoted).join(', ')}`;
}

function explain({ header, claims }: Decoded, verdict: Verdict): string {
  const { sub, iss, aud, jti, iat, nbf, exp, fairlead, ...others } = claims;
  const rows: [string, string | undefined][] = [
    ['signed', `${quoted(header.alg)}${header.kid === undefined ? '' : `, key ${quoted(header.kid)}`}`],
    ['subject', sub === undefined ? 'none: no broker takes that' : quoted(sub)],
    ['issuer', iss === undefined ? undefined : quoted(iss)],
    ['audience', aud === undefined ? undefined : [aud].flat().map(quoted).join(', ')],
    ['token id', jti === undefined ? 'none: it cannot be revoked by itself' : quoted(jti)],
    ['issued', when(iat)],
    ['begins', when(nbf)],
    ['ends', exp === undefined ? 'never: no broker takes that' : when(exp)],
    ['grants', grants(fairlead)],
    ['also', Object.keys(others).length === 0 ? undefined : Object.keys(others).map(quoted).join(', ')],
    ['verdict', verdict.says],
  ];
  const lines = rows.flatMap(([label, value]) =>
    value === undefined ? [] : [`${label.padEnd(9)} ${value}`],
  );
  return `${lines.join('\n')}\n`;
}

function grants(claim: unknown): string {
  if (typeof claim !== 'object' || claim === null) return "nothing by itself: its issuer's entry must map it";
  const { agent, routes, dial, targets } = claim as Readonly<Record<string, unknown>>;
  if (agent !== undefined) {
    const may = routes === undefined ? 'no routes' : `routes ${list(routes)}`;
    return `to be the agent of the node ${quoted(agent)}, with ${may}`;
  }
  if (dial === undefined) return 'nothing that a broker knows';
  const where = targets === undefined ? 'whatever its agent allows' : list(targets);
  return `to dial ${list(dial)}: ${where}`;
}

function list(value: unknown): string {
  return [value].flat().map(quoted).join(', ');
}

/** Whoever made the token chose this text: it must not move the cursor of whoever reads it. */
function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
  const bounded = text.length <= 200 ? text : `${text.slice(0, 200)}…`;
  return `"${bounded.replace(/[\p{C}\p{Zl}\p{Zp}"\\]/gu, escaped)}"`;
}

function escaped(character: string): string {
  const short = JSON.stringify(character).slice(1, -1);
  return short === character ? `\\u{${character.codePointAt(0)?.toString(16)}}` : short;
}

function when(seconds: unknown): string | undefined {
  if (seconds === undefined) return undefined;
  const atMs = typeof seconds === 'number' ? seconds * 1000 : Number.NaN;
  if (!(Math.abs(atMs) <= 8.64e15)) return `${quoted(seconds)}, which is no time`;
  const differenceMs = atMs - Date.now();
  const span = spanOf(Math.abs(differenceMs) / 1000);
  return `${new Date(atMs).toISOString()}, ${differenceMs < 0 ? `${span} ago` : `in ${span}`}`;
}

function spanOf(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
