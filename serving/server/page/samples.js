// A grid of what a seed makes, which re-rolls; one sample opens, several are picked to go between.

import { ask } from './api.js';
import { controls } from './controls.js';
import * as detail from './detail.js';
import { element, save } from './dom.js';
import { hasNoise, inputsOf } from './inputs.js';
import { scatter, sound, video } from './media.js';
import * as mix from './mix.js';
import { makeRows } from './rows.js';
import { classesOf, conditions, gridOf, noises, outputOf, words } from './spec.js';
import { newSeed } from './state.js';
import { paint, sizeOf } from './tensors.js';
import * as walk from './walk.js';

const DIGITS = /^\d{1,18}$/;

// what a sample is called, besides its number: the names of its classes
function captionOf(context, inputs, k) {
  const named = conditions(context.map).filter((tensor) => tensor.kind === 'class').map((tensor) =>
    classesOf(tensor)[inputs[tensor.name].data[k] - tensor.low].name);
  return words(named.join(', '));
}

// where the server makes one sample of the grid by itself
function samplePath({ model, name, state }, k) {
  const asked = new URLSearchParams({ seed: state.seed, start: k, count: 1 });
  for (const [condition, value] of Object.entries(state.conditions)) if (value !== '') asked.set(condition, value);
  return `/v1/models/${encodeURIComponent(model.name)}/versions/${model.version}:${name}?${asked}`;
}

export function show(context, node) {
  const { state, map } = context;
  const output = outputOf(map);
  const count = gridOf(map);
  const canMix = output.kind === 'image' && noises(map).length > 0 && !output.levels;
  let [drawn, running] = [null, new AbortController()];
  context.signal.addEventListener('abort', () => running.abort());

  const seed = element('input', { id: 'seed', inputmode: 'numeric', pattern: '\\d{1,18}', value: state.seed, size: 8 });
  seed.addEventListener('change', () => {
    if (DIGITS.test(seed.value.trim())) roll(seed.value.trim());
    else seed.value = state.seed;
  });
  const again = element('button', { type: 'button', class: 'primary', id: 'roll', title: 'R', 'aria-keyshortcuts': 'r', onclick: () => roll(newSeed()) }, 'Roll again');
  const bar = element('div', { class: 'toolbar' },
    ...(hasNoise(map) ? [again, element('label', { class: 'field' }, element('span', {}, 'seed'), seed)] : []),
    ...controls(map, state, true, () => roll(state.seed)));
  const grid = element('div', { class: `grid of-${output.kind}`, id: 'grid' });
  const between = element('button', { type: 'button', class: 'primary', id: 'between', onclick: () => mix.open(context, drawn) }, 'Go between them');
  const said = element('span', {});
  const none = element('button', { type: 'button', class: 'quiet', onclick: () => pick(null) }, 'Clear');
  const picked = element('div', { class: 'picked', id: 'picked', hidden: true }, said, between, none);
  node.append(bar, grid, picked);
  grid.addEventListener('keydown', move);
  context.signal.addEventListener('abort', () => document.removeEventListener('keydown', shortcut));
  document.addEventListener('keydown', shortcut);

  function shortcut(event) {
    const isFree = !event.ctrlKey && !event.metaKey && !event.altKey && !document.querySelector('dialog[open]');
    if (event.key === 'r' && isFree && !event.target.matches('input, select, textarea')) roll(newSeed());
  }

  // with the arrows from tile to tile; Space picks
  function move(event) {
    const tiles = [...grid.querySelectorAll('.open')];
    const here = tiles.indexOf(event.target);
    if (here < 0) return;
    const tops = tiles.map((tile) => tile.getBoundingClientRect().top);
    const columns = tops.filter((top) => top === tops[0]).length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -here, End: tiles.length };
    if (event.key === ' ' && canMix) {
      event.preventDefault();
      pick(here);
    } else if (event.key in steps) {
      event.preventDefault();
      const there = tiles[Math.min(tiles.length - 1, Math.max(0, here + steps[event.key]))];
      tiles.forEach((tile) => { tile.tabIndex = tile === there ? 0 : -1; });
      there.focus();
    }
  }

  function pick(k) {
    if (k === null) state.picks = [];
    else if (state.picks.includes(k)) state.picks = state.picks.filter((other) => other !== k);
    else state.picks.push(k);
    context.save();
    marks();
  }

  function marks() {
    grid.querySelectorAll('.pick').forEach((button, k) => {
      const place = state.picks.indexOf(k);
      button.setAttribute('aria-pressed', String(place >= 0));
      button.textContent = place >= 0 ? place + 1 : '';
    });
    picked.hidden = !state.picks.length;
    between.disabled = state.picks.length < 2;
    said.textContent = state.picks.length < 2 ? 'Pick another to go between them' : `${state.picks.length} picked`;
  }

  function tile(k) {
    const canvas = element('canvas', { role: 'img', 'aria-label': `Sample ${k}` });
    canvas.width = output.shape[1];
    canvas.height = output.shape[0];
    const open = element('button', {
      type: 'button', class: 'open', tabindex: k ? -1 : 0, 'aria-label': `Open sample ${k}`,
      onclick: () => drawn && walk.open(context, drawn, k),
    }, canvas);
    const button = element('button', {
      type: 'button', class: 'pick', 'aria-label': `Pick sample ${k} to go between`, 'aria-pressed': 'false', onclick: () => pick(k),
    });
    return element('figure', { class: 'tile' }, open, canMix ? button : null, element('figcaption', {}));
  }

  function repaint(array) {
    const size = sizeOf(output.shape);
    grid.querySelectorAll('.open canvas').forEach((canvas, k) => paint(canvas, output.shape, array.data, k * size));
  }

  function present(inputs, array) {
    const size = sizeOf(output.shape);
    const part = (k) => array.data.subarray(k * size, (k + 1) * size);
    const name = (k) => `${state.model}-${state.seed}-${k}`;
    if (output.kind === 'image') {
      repaint(array);
    } else if (output.kind === 'point') {
      grid.replaceChildren(scatter(array.data));
      return;
    } else {
      grid.replaceChildren(...Array.from({ length: count }, (_, k) => element('figure', { class: 'tile' },
        output.kind === 'audio' ? sound(output, part(k), name(k), running.signal) : video(output, array.data, k * size, name(k), running.signal, () => gif(k, name(k))),
        element('figcaption', {}))));
    }
    grid.querySelectorAll('figcaption').forEach((caption, k) => { caption.textContent = captionOf(context, inputs, k); });
  }

  async function gif(k, name) {
    try {
      save(await (await ask(samplePath(context, k), { headers: { accept: 'image/gif' } })).blob(), `${name}.gif`);
    } catch (error) {
      context.fail(error);
    }
  }

  async function roll(number) {
    running.abort();
    running = new AbortController();
    const { signal } = running;
    state.seed = number;
    seed.value = number;
    context.save();
    grid.setAttribute('aria-busy', 'true');
    context.status('Making …');
    try {
      const inputs = await inputsOf(context, 0, count);
      if (signal.aborted) return;
      const begun = performance.now();
      const made = context.model.rows && context.name === context.first
        ? await makeRows({ ...context, signal }, inputs, count, (array) => { if (!signal.aborted) repaint(array); })
        : await context.run(inputs);
      if (signal.aborted) return;
      drawn = { inputs, made };
      present(inputs, made[output.name]);
      context.fail(null);
      await context.told(inputs, made, (performance.now() - begun) / 1000, count);
    } catch (error) {
      if (!signal.aborted) context.fail(error);
    } finally {
      if (!signal.aborted) grid.removeAttribute('aria-busy');
    }
  }

  async function begin() {
    if (output.kind === 'image') grid.replaceChildren(...Array.from({ length: count }, (_, k) => tile(k)));
    state.picks = canMix ? [...new Set(state.picks)].filter((k) => k >= 0 && k < count) : [];
    marks();
    await roll(state.seed);
    if (!drawn || context.signal.aborted) return;
    if (state.at !== null && state.picks.length > 1) mix.open(context, drawn);
    else if (state.sample !== null && state.sample < count && output.kind === 'image') walk.open(context, drawn, state.sample);
  }

  detail.close();
  begin();
}
