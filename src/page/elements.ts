// The parts of the page by their ids, and small makers of others. Text goes in as text, never as markup.

/** @throws Error where the page has no such part, which a test would have seen */
export function part<Kind extends Element = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as Element as Kind;
}

export function make(tag: string, className = '', text = ''): HTMLElement {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  if (text !== '') made.textContent = text;
  return made;
}

const svg = 'http://www.w3.org/2000/svg';

/** A sparkline to be: its two paths get their shape later. */
export function makeSparkline(
  width: number,
  height: number,
): { svg: SVGSVGElement; area: SVGPathElement; line: SVGPathElement } {
  const root = document.createElementNS(svg, 'svg');
  root.setAttribute('viewBox', `0 0 ${width} ${height}`);
  root.setAttribute('preserveAspectRatio', 'none');
  root.setAttribute('aria-hidden', 'true');
  root.classList.add('spark');
  const area = document.createElementNS(svg, 'path');
  area.classList.add('area');
  const line = document.createElementNS(svg, 'path');
  line.classList.add('line');
  root.append(area, line);
  return { svg: root, area, line };
}

/** Does nothing where it says that already: most updates change few cells. */
export function say(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element: Element, name: string, value: string): void {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
