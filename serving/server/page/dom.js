// Elements, in few words.

// element('button', { class: 'primary', onclick: f }, 'text', child, ...)
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const byId = (id) => document.getElementById(id);

export const isStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

export const nextFrame = () => new Promise((resolve) => { requestAnimationFrame(resolve); });

export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  element('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export const savePicture = (canvas, name) => canvas.toBlob((blob) => save(blob, name), 'image/png');

// a function that runs `work` for the last arguments that it was given, one run at a time
export function latest(work) {
  let [waiting, isRunning] = [null, false];
  return async (...values) => {
    waiting = values;
    if (isRunning) return;
    isRunning = true;
    try {
      while (waiting) {
        const now = waiting;
        waiting = null;
        await work(...now);
      }
    } finally {
      isRunning = false;
    }
  };
}

// a slider with its name and its value beside it
export function slider(label, { low, high, step, value, show = (number) => number.toFixed(1) }, change) {
  const shown = element('output', {}, show(value));
  const input = element('input', { type: 'range', min: low, max: high, step, value, 'aria-label': label });
  input.addEventListener('input', () => {
    shown.textContent = show(Number(input.value));
    change(Number(input.value));
  });
  const set = (number) => {
    input.value = number;
    shown.textContent = show(number);
  };
  return { node: element('div', { class: 'slider' }, element('span', {}, label), input, shown), input, set };
}
