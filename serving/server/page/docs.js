// GET /docs: the description at /openapi.json, to read and try.

const $ = (id) => document.getElementById(id);
function make(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}
function headers(more) {
  return $("key").value ? {...more, authorization: "Bearer " + $("key").value} : more;
}
const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
function curl(method, url, body) {
  const key = $("key").value ? " -H 'authorization: Bearer KEY'" : "";
  const data = body ? " -d " + quoted(body) : method === "POST" ? " -X POST" : "";
  return "curl" + key + data + " " + quoted(location.origin + url);
}
async function show(answer, place) {
  const type = answer.headers.get("content-type") || "";
  const line = make("p", answer.status + " " + answer.statusText + ", " + type);
  const kind = {image: "img", audio: "audio"}[type.split("/")[0]];
  let body;
  if (kind) {
    body = make(kind);
    body.src = URL.createObjectURL(await answer.blob());
    if (kind === "audio") body.controls = true;
  } else if (/json|text/.test(type)) {
    const text = await answer.text();
    body = make("pre", text.length > 20000 ? text.slice(0, 20000) + " ..." : text);
  } else {
    body = make("p", (await answer.arrayBuffer()).byteLength + " bytes");
  }
  place.replaceChildren(line, body);
}
function operation(path, method, told) {
  const box = make("details", "", make("summary", "", make("b", method), make("code", path)));
  box.append(make("p", told.summary));
  const fields = {};
  if (told.parameters) {
    const table = make("table");
    for (const one of told.parameters) {
      fields[one.name] = make("input");
      fields[one.name].setAttribute("aria-label", one.name);
      if (one.example !== undefined) fields[one.name].value = one.example;
      table.append(make("tr", "", make("td", one.name), make("td", "", fields[one.name]),
        make("td", one.description), make("td", "", make("code", JSON.stringify(one.schema)))));
    }
    box.append(table);
  }
  const content = (told.requestBody || {}).content || {};
  const json = content["application/json"] || {};
  const examples = json.examples || (json.example ? {example: {value: json.example}} : {});
  let body;
  if (told.requestBody) {
    box.append(make("p", "The body: " + Object.keys(content).join(", ") + "."));
    body = make("textarea");
    body.rows = 5;
    body.setAttribute("aria-label", "body");
    const first = Object.values(examples)[0];
    body.value = first ? JSON.stringify(first.value) : "";
    const names = Object.keys(examples);
    if (names.length > 1) {
      const choice = make("select", "", ...names.map((name) => make("option", name)));
      choice.setAttribute("aria-label", "example");
      choice.onchange = () => { body.value = JSON.stringify(examples[choice.value].value); toldAgain(); };
      box.append(choice);
    }
    box.append(body);
  }
  const url = () => {
    const query = Object.entries(fields).filter(([, field]) => field.value !== "")
      .map(([name, field]) => name + "=" + encodeURIComponent(field.value)).join("&");
    return path + (query ? "?" + query : "");
  };
  const line = make("pre"), answer = make("div"), button = make("button", "Try it");
  const toldAgain = () => { line.textContent = curl(method, url(), body && body.value); };
  box.addEventListener("input", toldAgain);
  box.ontoggle = toldAgain;
  button.onclick = async () => {
    toldAgain();
    button.disabled = true;
    const options = {method, headers: headers({})};
    if (body && body.value) {
      options.body = body.value;
      options.headers["content-type"] = "application/json";
    }
    try { await show(await fetch(url(), options), answer); } catch (error) { answer.textContent = error; }
    button.disabled = false;
  };
  box.append(line, button, answer);
  return box;
}
async function read() {
  const answer = await fetch("openapi.json", {headers: headers({})});
  const told = await answer.json();
  if (!answer.ok) { $("main").textContent = told.error; return; }
  $("about").textContent = told.info.description;
  const groups = {};
  for (const [path, methods] of Object.entries(told.paths))
    for (const [method, one] of Object.entries(methods))
      (groups[one.tags[0]] ||= []).push(operation(path, method.toUpperCase(), one));
  $("main").replaceChildren(...Object.entries(groups).flatMap(([name, boxes]) => [make("h2", name), ...boxes]));
}
$("key").onchange = read;
read();
