// The page: which model, which map, where it runs, and what the address says of it.

import { cardOf, infer, json, picture } from './api.js';
import * as apply from './apply.js';
import * as detail from './detail.js';
import { byId, element } from './dom.js';
import * as local from './local.js';
import * as samples from './samples.js';
import { outputOf, wayOf, words } from './spec.js';
import { read, write } from './state.js';
import { toByte } from './tensors.js';

let [models, engines, state] = [[], [], read()];
let showing = new AbortController();

function fail(error) {
  byId('error').hidden = !error;
  byId('error').textContent = error ? error.message : '';
  if (error) byId('status').textContent = '';
}

const status = (text) => { byId('status').textContent = text; };

const seconds = (time) => (time < 0.1 ? `${Math.round(1000 * time)} ms` : `${time.toFixed(1)} s`);

// the largest difference between two outputs: in levels of a picture, or in what it holds
function difference(tensor, first, second) {
  const isPicture = tensor.kind === 'image' || tensor.kind === 'video';
  const of = isPicture ? toByte : (value) => value;
  return first.data.reduce((most, value, k) => Math.max(most, Math.abs(of(value) - of(second.data[k]))), 0);
}

function contextOf(model, name) {
  const map = model.maps[name];
  const { signal } = showing;
  const context = {
    state, model, map, name, signal, status, fail,
    first: Object.keys(model.maps)[0],
    save: () => write(state),
    run: (inputs, other = name) =>
      (state.isLocal ? local.run(engines, model, other, inputs) : infer(model, other, inputs)),
    async share() {
      write(state);
      try {
        await navigator.clipboard.writeText(location.href);
        status('The link is copied.');
      } catch {
        status(location.href);
      }
    },
    // say how long it took; in the browser, also how far that is from what the server makes
    async told(inputs, made, time, count) {
      const what = `${count === 1 ? 'Made' : `${count} samples`} in ${seconds(time)}`;
      if (!state.isLocal) return status(`${what} on the server.`);
      const { name: engine } = await local.begin(engines);
      status(`${what} in this browser, by ${engine}.`);
      const output = outputOf(map);
      const apart = difference(output, made[output.name], (await infer(model, name, inputs))[output.name]);
      if (signal.aborted) return undefined;
      const unit = output.kind === 'image' || output.kind === 'video' ? `${apart} of 255 levels` : apart.toExponential(1);
      return status(`${what} in this browser, by ${engine}. The largest difference from the server is ${unit}.`);
    },
  };
  return context;
}

function show() {
  showing.abort();
  showing = new AbortController();
  detail.close();
  fail(null);
  const model = models.find(({ name }) => name === state.model) ?? models[0];
  if (!model) {
    byId('title').textContent = 'No model serves yet';
    byId('about').textContent = 'Put a bundle into the directory of models; then load this page again.';
    return;
  }
  const names = Object.keys(model.maps).filter((name) => name !== 'step');
  const name = names.includes(state.map) ? state.map : names[0];
  [state.model, state.map] = [model.name, name];
  byId('title').textContent = words(model.name);
  document.title = `${words(model.name)} · genzoo`;
  byId('about').textContent = [model.title, model.data && `trained on ${model.data}`, `step ${model.step}`].filter(Boolean).join(' · ');
  document.querySelectorAll('.models button').forEach((button) => {
    const isCurrent = button.dataset.name === model.name;
    if (isCurrent) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    if (isCurrent) button.scrollIntoView({ block: 'nearest', inline: 'center' });
  });
  const tabs = names.map((other) => element('button', {
    type: 'button', role: 'tab', 'aria-selected': String(other === name), tabindex: other === name ? 0 : -1, 'data-map': other,
    onclick: () => go({ map: other }),
  }, words(other)));
  byId('maps').replaceChildren(...tabs);
  byId('maps').hidden = names.length < 2;
  byId('view').replaceChildren();
  status('');
  write(state);
  (wayOf(model.maps[name]) === 'samples' ? samples : apply).show(contextOf(model, name), byId('view'));
}

// another model or map: what was picked and chosen of the one before does not count
function go(change) {
  state = { ...state, conditions: {}, sample: null, walk: [], picks: [], at: null, example: 0, ...change };
  show();
}

function tabKeys(event) {
  const tabs = [...byId('maps').children];
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  next.click();
  byId('maps').querySelector('[aria-selected=true]').focus();
}

function menu() {
  byId('models').replaceChildren(...models.map((model) => {
    const image = element('img', { alt: '', width: 44, height: 44, hidden: true });
    if (model.has_card) picture(cardOf(model)).then((url) => { image.src = url; image.hidden = false; image.nextSibling.remove(); }).catch(() => {});
    return element('button', { type: 'button', 'data-name': model.name, onclick: () => go({ model: model.name, map: null }) },
      element('span', { class: 'thumb', 'aria-hidden': 'true' }, image, words(model.name)[0].toUpperCase()), element('span', {}, element('b', {}, words(model.name)), element('small', {}, model.title)));
  }));
}

function engineSwitch() {
  byId('local-switch').hidden = !engines.length;
  byId('local-hint').hidden = Boolean(engines.length);
  if (!engines.length) state.isLocal = false;
  byId('local').checked = state.isLocal;
  byId('local').addEventListener('change', () => {
    state.isLocal = byId('local').checked;
    show();
  });
}

async function begin() {
  detail.begin();
  byId('maps').addEventListener('keydown', tabKeys);
  addEventListener('hashchange', () => {
    state = read();
    byId('local').checked = state.isLocal && engines.length > 0;
    state.isLocal = byId('local').checked;
    show();
  });
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => event.preventDefault());
  try {
    ({ models, engines } = await json('/gallery'));
  } catch (error) {
    byId('title').textContent = 'The server does not answer';
    fail(error);
    return;
  }
  menu();
  engineSwitch();
  show();
}

begin();
