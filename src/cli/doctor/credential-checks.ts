// What the token or certificate says of itself: whose it is, what for, and until when. Whether it is genuine only the
// broker can say. Must never show the token.

import { decodeJwt, type JWTPayload } from 'jose';
import { formatSpan } from '../age.ts';
import { describe as describeError } from '../failure.ts';
import { type Finding, fail, ok, warn } from './check.ts';
import type { Examination } from './examination.ts';

/** Broker's leeway, in seconds. */
const leewaySeconds = 5;

export async function checkToken(examination: Examination): Promise<Finding> {
  const { readToken } = examination;
  if (readToken === undefined) return checkCertificate(examination);
  let token: string;
  try {
    token = await readToken();
  } catch (error) {
    return fail(
      describeError(error),
      'have "fairlead token" write one there, or name another file with --token-file',
    );
  }
  let claims: JWTPayload;
  try {
    claims = decodeJwt(token);
  } catch {
    return fail(
      'the token is not a JWT',
      'write the token into the file as "fairlead token" prints it, on one line',
    );
  }
  examination.token = token;
  // By the broker's clock, which is what counts.
  const nowSeconds = (Date.now() + (examination.skewMs ?? 0)) / 1000;
  const { exp, nbf, iat, fairlead } = claims;
  const grants =
    typeof fairlead === 'object' && fairlead !== null ? (fairlead as Record<string, unknown>) : {};
  if (examination.isAgent && grants.dial !== undefined)
    return fail(
      `this is the token of a dialer, ${describe(claims, grants)}`,
      'an agent takes another kind: "fairlead token --agent NODE"',
    );
  if (!examination.isAgent && grants.agent !== undefined)
    return fail(
      `this is the token of an agent, of the node ${text(grants.agent)}`,
      'to dial takes another kind, "fairlead token --dial NODE-PATTERN"; with --agent it is examined as an agent\'s',
    );
  if (typeof exp !== 'number')
    return fail(
      'the token never ends: no broker takes that',
      'make a new one with "fairlead token --ttl 24h"',
    );
  if (exp + leewaySeconds < nowSeconds)
    return fail(
      `the token has expired ${formatSpan(nowSeconds - exp)} ago`,
      'make a new one with "fairlead token", or see why whoever renews the file does not',
    );
  if (typeof nbf === 'number' && nbf - leewaySeconds > nowSeconds)
    return fail(
      `the token is not valid yet: it begins in ${formatSpan(nbf - nowSeconds)}`,
      'set the clock of the machine that made it, or wait',
    );
  const left = exp - nowSeconds;
  const found = `a token ${describe(claims, grants)}, good for another ${formatSpan(Math.max(0, left))}`;
  if (typeof iat === 'number' && iat - leewaySeconds > nowSeconds)
    return warn(
      `${found}, which says that it was made ${formatSpan(iat - nowSeconds)} from now`,
      'set the clock of the machine that made it',
    );
  const life = typeof iat === 'number' ? exp - iat : 3600;
  return left < life / 10
    ? warn(found, 'have it renewed soon: what is written to the file is used at once')
    : ok(found);
}

async function checkCertificate(examination: Examination): Promise<Finding> {
  const material = await examination.readCertificate?.();
  if (material === undefined)
    return fail('there is neither a token nor a certificate', 'give --token-file, or --cert and --key');
  examination.certificate = material;
  const left = (material.expiresAt - Date.now()) / 1000;
  if (left < 0)
    return fail(
      `the certificate has expired ${formatSpan(-left)} ago`,
      'renew it, and see why whoever renews it does not',
    );
  return ok(`a certificate, good for another ${formatSpan(left)}`);
}

function describe({ sub }: JWTPayload, { agent, dial, targets }: Record<string, unknown>): string {
  const whose = sub === undefined ? '' : `of ${text(sub)} `;
  if (agent !== undefined) return `${whose}to be the agent of the node ${text(agent)}`;
  // What another issuer's token grants, only the broker's configuration says.
  if (dial === undefined) return `${whose}that says nothing of nodes itself`;
  const where = targets === undefined ? '' : `, at ${list(targets)}`;
  return `${whose}to dial ${list(dial)}${where}`;
}

function list(value: unknown): string {
  return [value].flat().slice(0, 8).map(text).join(', ');
}

function text(value: unknown): string {
  const whole = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return `"${whole.length <= 80 ? whole : `${whole.slice(0, 80)}…`}"`;
}
