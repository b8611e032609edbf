// What an agent says of how it is: shown to people, and taken for nothing else.

import { parsePayload } from '../protocol/control.ts';
import { type AgentReport, reportSchema } from '../protocol/status.ts';

/** @throws FairleadError ERR_PROTOCOL */
export function reportOf(payload: Uint8Array): AgentReport {
  const { streams, lastError } = parsePayload(reportSchema, payload);
  if (lastError === undefined) return { streams };
  const { code, reason, at } = lastError;
  return { streams, lastError: { code: plain(code), reason: plain(reason), at } };
}

/** One line, in one direction, wherever it is printed. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, ' ');
}
