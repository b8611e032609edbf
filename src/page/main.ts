// The status page. Keeps what it was told in memory, asks only where it came from, and shows foreign text as text.

import type { ShownStatus } from '../protocol/status.ts';
import { make, mark, part, say } from './elements.ts';
import { type FeedEvent, StatusFeed } from './feed.ts';
import { count, duration, plain } from './format.ts';
import { Grid } from './grid.ts';
import { matching, sortRows } from './order.ts';
import { type Row, Rows } from './rows.ts';
import { Sorting } from './sorting.ts';
import { aboutOf, Tiles } from './tiles.ts';

/** How long it is said that the broker was started anew. */
const restartNewsMs = 60_000;

const search = part<HTMLInputElement>('search');
const grid = new Grid();
const tiles = new Tiles();
const rows = new Rows();
const sorting = new Sorting(() => {
  grid.toTop();
  arrange();
});
let status: ShownStatus | undefined;
let order: readonly Row[] = [];
let updatedAtMs = 0;
let failure: { why: string; againAtMs: number } | undefined;
let restartedAtMs = Number.NEGATIVE_INFINITY;

const feed = new StatusFeed((event) => heard(event));

function heard(event: FeedEvent): void {
  if (event.kind === 'token-needed') {
    showGate(event.why);
    return;
  }
  if (event.kind === 'failed') {
    if (failure === undefined) announce(`The ${server()} does not answer`);
    failure = { why: event.why, againAtMs: performance.now() + event.againInMs };
    tell();
    return;
  }
  if (failure !== undefined) announce(`The ${server()} answers again`);
  failure = undefined;
  updatedAtMs = performance.now();
  take(event.status);
}

function take(next: ShownStatus): void {
  const [before, now] = [startOf(status), startOf(next)];
  if (before !== undefined && now !== undefined && before !== now) restartedAtMs = performance.now();
  status = next;
  // While a gateway hears nothing of its broker, nobody is known to have gone.
  const isWhole = next.partial !== true && next.unreachable === undefined;
  rows.update(next.nodes, isWhole, updatedAtMs);
  part('gate').hidden = true;
  part('view').hidden = false;
  tiles.show(next, rows.all);
  arrange();
  tell();
}

function startOf(shown: ShownStatus | undefined): string | undefined {
  return (shown?.gateway ?? shown?.broker)?.startedAt;
}

function server(): string {
  return status?.gateway === undefined ? 'broker' : 'gateway';
}

/** What is shown, in its order. Where the order is of figures that change, it stands still while a row is open. */
function arrange(): void {
  const found = matching(rows.all, search.value);
  const isSteady = grid.isOpen && found.length === order.length && found.every((row) => order.includes(row));
  if (!isSteady) {
    sortRows(found, sorting.order);
    order = found;
  }
  grid.show(order);
  const all = [...rows.all].length;
  say(part('count'), search.value.trim() === '' ? '' : `${count(order.length)} of ${count(all)}`);
  showEmpty(all);
}

function showEmpty(all: number): void {
  const empty = part('empty');
  empty.hidden = order.length > 0;
  if (!empty.hidden) {
    const text =
      all > 0
        ? `Nothing here matches “${plain(search.value.trim())}”.`
        : 'No agent is connected that you may see. One connects with: fairlead agent --broker URL --node NAME --token-file FILE --allow HOST:PORT';
    say(empty, text);
  }
}

function tell(): void {
  const pulse = part('pulse');
  const age = performance.now() - updatedAtMs;
  if (failure !== undefined) {
    const inMs = Math.max(0, failure.againAtMs - performance.now());
    mark(pulse, 'data-state', 'lost');
    say(part('pulse-text'), `No answer · again in ${duration(inMs)}`);
  } else if (status === undefined) mark(pulse, 'data-state', 'loading');
  else {
    mark(pulse, 'data-state', 'live');
    say(part('pulse-text'), age < 10_000 ? 'Live' : `${duration(age)} old`);
  }
  if (status !== undefined) say(part('about'), aboutOf(status));
  notice(noticeText(age));
  document.body.classList.toggle('stale', failure !== undefined || status?.unreachable !== undefined);
}

function noticeText(ageMs: number): string {
  if (failure !== undefined) {
    const since = status === undefined ? '' : ` What is shown is ${duration(ageMs)} old.`;
    const why = failure.why === '' ? '' : `: ${failure.why}`;
    return `The ${server()} does not answer${why}.${since} This page keeps trying.`;
  }
  if (status?.unreachable !== undefined)
    return `The gateway has nothing of its broker: ${status.unreachable}`;
  if (status?.partial === true)
    return 'A replica did not answer in time: there may be more nodes than these.';
  if ((status?.gateway ?? status?.broker)?.draining === true)
    return `This ${server()} is shutting down: its peers are moving.`;
  if (performance.now() - restartedAtMs < restartNewsMs)
    return `The ${server()} was started anew ${duration(Date.now() - Date.parse(startOf(status) ?? ''))} ago. Streams go on when their links are back.`;
  return '';
}

function notice(text: string): void {
  const element = part('notice');
  element.hidden = text === '';
  say(element, plain(text));
}

function announce(text: string): void {
  say(part('said'), text);
}

function showGate(why: string): void {
  rows.clear();
  status = undefined;
  order = [];
  failure = undefined;
  notice('');
  part('view').hidden = true;
  part('gate').hidden = false;
  say(
    part('gate-why'),
    why === ''
      ? 'Only who asks from this very machine sees nodes without one.'
      : `The token was refused: ${plain(why)}`,
  );
  mark(part('pulse'), 'data-state', 'gate');
  say(part('pulse-text'), 'Not signed in');
  part<HTMLInputElement>('token').focus();
}

part('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const input = part<HTMLInputElement>('token');
  const token = input.value.trim();
  input.value = '';
  // RFC 6750 §2.1; anything else would not go into a header.
  if (/^[A-Za-z0-9._~+/=-]+$/.test(token)) feed.useToken(token);
  else say(part('gate-why'), 'That is not a token: one is of letters, digits, “.”, “_” and “-”.');
});

let announcing = 0;
search.addEventListener('input', () => {
  grid.toTop();
  arrange();
  clearTimeout(announcing);
  announcing = window.setTimeout(() => announce(`${count(order.length)} found`), 600);
});
search.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && search.value === '') part('grid').focus();
  else if (event.key === 'ArrowDown' || event.key === 'Enter') part('grid').focus();
  else return;
  event.preventDefault();
});
document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
  if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// Ages grow, whether or not anything is heard.
setInterval(() => {
  if (!document.hidden) tell();
}, 1000);
part('empty').append(make('p'));
feed.ask();
