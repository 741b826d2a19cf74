// Classes, attributes and single numbers by their names.

import { element, slider } from './dom.js';
import { usual } from './inputs.js';
import { classesOf, conditions, isSimple, namesOf, rivals, words } from './spec.js';

function classControl(tensor, state, inTurn, change) {
  const chosen = state.conditions[tensor.name] ?? (inTurn ? '' : classesOf(tensor)[0].name);
  if (!inTurn) state.conditions[tensor.name] = chosen;
  const options = classesOf(tensor).map(({ name }) => element('option', { value: name, selected: name === chosen }, words(name)));
  const turn = inTurn ? [element('option', { value: '', selected: chosen === '' }, 'each in turn')] : [];
  const select = element('select', {}, ...turn, ...options);
  select.addEventListener('change', () => { state.conditions[tensor.name] = select.value; change(); });
  return element('label', { class: 'field' }, element('span', {}, words(tensor.name)), select);
}

function attributeControl(tensor, state, change) {
  const present = () => (state.conditions[tensor.name] ?? '').split(',').filter(Boolean);
  const boxes = {};
  const toggle = (name) => {
    const left = present().filter((other) => other !== name && !(boxes[name].checked && rivals(tensor, name).includes(other)));
    const chosen = boxes[name].checked ? [...left, name] : left;
    for (const [other, box] of Object.entries(boxes)) box.checked = chosen.includes(other);
    state.conditions[tensor.name] = chosen.join(',');
    change();
  };
  const chips = namesOf(tensor).map((name) => {
    boxes[name] = element('input', { type: 'checkbox', checked: present().includes(name), onchange: () => toggle(name) });
    return element('label', { class: 'chip' }, boxes[name], element('span', {}, words(name)));
  });
  return element('fieldset', { class: 'chips' }, element('legend', {}, words(tensor.name)), ...chips);
}

function numberControl(tensor, state, change) {
  const [low, high] = [tensor.low ?? -3, tensor.high ?? 3];
  const value = state.conditions[tensor.name] ?? usual(tensor);
  const made = slider(words(tensor.name), { low, high, step: (high - low) / 100, value: Number(value), show: (n) => n.toFixed(2) },
    (number) => { state.conditions[tensor.name] = String(number); change(); });
  return made.node;
}

// every control of a map; `change` is called when one was used. Classes may come in turn where there are many samples
export function controls(map, state, inTurn, change) {
  return conditions(map).filter((tensor) => isSimple(tensor) && tensor.kind !== 'mask').map((tensor) => {
    if (tensor.kind === 'class') return classControl(tensor, state, inTurn, change);
    if (tensor.kind === 'attributes') return attributeControl(tensor, state, change);
    return numberControl(tensor, state, change);
  });
}
