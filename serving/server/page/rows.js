// Pictures of models in raster order, painted row by row: by the contract of serving/rows.py. The last picture is that
// of the whole map.

import { isStill, nextFrame } from './dom.js';
import { outputOf } from './spec.js';
import { sizeOf } from './tensors.js';

// row y of what has rows, (count, rows, ...); of fewer rows than the picture has, each serves several
function own(array, y, height) {
  const [count, rows, ...rest] = array.shape;
  const size = sizeOf(rest);
  const place = Math.floor(y * rows / height);
  const data = new array.data.constructor(count * size);
  for (let k = 0; k < count; k += 1) {
    data.set(array.data.subarray((k * rows + place) * size, (k * rows + place + 1) * size), k * size);
  }
  return { shape: [count, 1, ...rest], data };
}

// what the first map makes of its inputs; `painted(array)` is called after each row. Rows to come are grey
export async function makeRows(context, inputs, count, painted) {
  const output = outputOf(context.map);
  const [height, width, channels] = output.shape;
  const step = context.model.maps.step;
  const stateSize = step.inputs.find((tensor) => tensor.name === 'state').shape[0];
  let left = { shape: [count, stateSize], data: new Float32Array(count * stateSize) };
  const made = { shape: [count, ...output.shape], data: new Float32Array(count * sizeOf(output.shape)) };
  for (let y = 0; y < height && !context.signal.aborted; y += 1) {
    const asked = { state: left };
    for (const tensor of context.map.inputs) {
      asked[tensor.name] = tensor.shape.length ? own(inputs[tensor.name], y, height) : inputs[tensor.name];
    }
    const answer = await context.run(asked, 'step');
    left = answer.next_state;
    const size = width * channels;
    for (let k = 0; k < count; k += 1) {
      made.data.set(answer.row.data.subarray(k * size, (k + 1) * size), (k * height + y) * size);
    }
    painted(made);
    if (!isStill()) await nextFrame();
  }
  return { [output.name]: made };
}
