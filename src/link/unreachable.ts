// Why a broker cannot be reached, in words for people. Knows the errors of sockets and TLS; holds no credentials.

import { FairleadError } from '../protocol/errors.ts';
import { certificateProblem } from '../tls/certificate-problem.ts';

/** @param host names the broker, without anything secret. */
export function unreachable(error: unknown, host: string): FairleadError {
  if (error instanceof FairleadError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  const message = `the broker at ${host} cannot be reached: ${describe(cause)}`;
  return new FairleadError('ERR_BROKER_UNREACHABLE', message, { cause });
}

function describe(error: Error): string {
  const { code, errors, cert } = error as Error & { code?: unknown; errors?: unknown; cert?: unknown };
  const problem = certificateProblem(code);
  if (problem !== undefined) return `its certificate is not good: ${problem}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `its certificate is for ${namesIn(cert)}, not for this host`;
  // OpenSSL's words for plain HTTP where TLS was expected.
  if (/wrong version number|packet length too long/.test(error.message))
    return 'what listens there does not speak TLS';
  if (error.message !== '') return error.message;
  // Node puts several attempts into an AggregateError whose own message is empty.
  if (Array.isArray(errors) && errors[0] instanceof Error) return errors[0].message;
  return typeof code === 'string' ? code : error.name;
}

/** The certificate is a stranger's: bounded, and only what names are made of. */
function namesIn(certificate: unknown): string {
  const names = (certificate as { subjectaltname?: unknown } | undefined)?.subjectaltname;
  if (typeof names !== 'string' || names === '') return 'no name';
  const clean = names.replace(/[^\w.,:*/@ -]/g, '?');
  return clean.length <= 200 ? clean : `${clean.slice(0, 200)}…`;
}
