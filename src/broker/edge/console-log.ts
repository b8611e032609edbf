// The broker's log where the platform collects what is written to the console: one JSON line an event.

import type { BrokerLog } from '../broker-log.ts';

export const consoleLog: BrokerLog = {
  info: (fields, message) => console.log(JSON.stringify({ level: 'info', ...fields, msg: message })),
  warn: (fields, message) => console.warn(JSON.stringify({ level: 'warn', ...fields, msg: message })),
  error: (fields, message) => console.error(JSON.stringify({ level: 'error', ...fields, msg: message })),
};
