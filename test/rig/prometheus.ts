// Reads Prometheus' text format 0.0.4, and holds it to what `promtool check metrics` would say of it.

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/;
const suffixes = { histogram: ['_bucket', '_sum', '_count'], summary: ['', '_sum', '_count'] };

/** Values by name and labels as they are written. @throws Error that says which line is not well-formed */
export function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const helps = new Set<string>();
  const types = new Map<string, string>();
  if (!text.endsWith('\n')) throw new Error('no line feed at the end');
  for (const line of text.split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') once(helps, name, line);
    else if (keyword === 'TYPE') {
      if (types.has(name) || !helps.has(name)) throw new Error(`TYPE twice, or before HELP: ${line}`);
      types.set(name, rest);
      lint(name, rest);
    } else if (line !== '') sample(line, types, samples);
  }
  return samples;
}

function once(seen: Set<string>, name: string, line: string): void {
  if (!metricName.test(name) || seen.has(name)) throw new Error(`HELP twice, or of no metric: ${line}`);
  seen.add(name);
}

function sample(line: string, types: Map<string, string>, samples: Map<string, number>): void {
  const [, name = '', labels = '', value = ''] = sampleLine.exec(line) ?? [];
  const isNotANumber = /^nan$/i.test(value);
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
  if (name === '' || (Number.isNaN(number) && !isNotANumber)) throw new Error(`no sample: ${line}`);
  if (![...types].some(([family, type]) => namesOf(family, type).includes(name)))
    throw new Error(`a sample without a TYPE: ${line}`);
  const key = `${name}${labels}`;
  if (samples.has(key)) throw new Error(`a series twice: ${line}`);
  samples.set(key, number);
}

function namesOf(family: string, type: string): string[] {
  return (suffixes[type as keyof typeof suffixes] ?? ['']).map((suffix) => `${family}${suffix}`);
}

/** The conventions: counters end in `_total`, others do not; base units; no colons, which are for rules. */
function lint(name: string, type: string): void {
  if (name.includes(':')) throw new Error(`${name}: colons are for recording rules`);
  if (!name.startsWith('fairlead_')) return;
  if ((type === 'counter') !== name.endsWith('_total'))
    throw new Error(`${name}: a counter ends in _total, and nothing else does`);
  if (/_(ms|milliseconds|minutes|kib|mib|kilobytes|percent)(_|$)/.test(name))
    throw new Error(`${name}: base units, please`);
}

export type Figures = ReadonlyMap<string, number>;

/** What a broker or agent on loopback says now. */
export async function figuresOf(port: number): Promise<Figures> {
  return samplesOf(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
}
