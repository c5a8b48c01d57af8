"use strict";

const PAUSE = 400;
const at = (name) => document.getElementById(name);
const state = { languages: [], sure: [], timer: 0, asked: null, isDrafting: false, drafted: "", shown: "", between: 0 };

function say(text, isFault = false) {
  at("status").textContent = text;
  at("status").classList.toggle("fault", isFault);
}

function fill(select, entries, chosen) {
  select.replaceChildren(...entries.map(({ code, name }) => new Option(name, code, false, code === chosen)));
}

function nameOf(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) || code;
  } catch {
    return code;
  }
}

function showTargets(chosen) {
  const source = at("source").value;
  const known = state.languages.filter(({ code }) => source === "auto" || code === source);
  const targets = [...new Set(known.flatMap((one) => one.targets))];
  fill(at("target"), targets.map((code) => ({ code, name: nameOf(code) })), chosen);
  const pair = ([from, to]) => to === at("target").value && (source === "auto" || from === source);
  at("sure").hidden = !state.sure.some(pair);
}

function headers() {
  const key = at("key").value.trim();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function answerOf(response) {
  const answer = await response.json().catch(() => ({ error: "the server gave no answer." }));
  if (!response.ok) {
    throw new Error(answer.error || `the server answered ${response.status}.`);
  }
  return answer;
}

function soon() {
  const size = [...at("text").value].length;
  at("count").textContent = size.toLocaleString("en");
  clearTimeout(state.timer);
  state.timer = setTimeout(translate, PAUSE);
  if (at("live").checked) draft();
}

async function ask(wanted) {
  state.asked?.abort();
  state.asked = new AbortController();
  return answerOf(
    await fetch("translate", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers() },
      body: JSON.stringify({ source: at("source").value, target: at("target").value, ...wanted }),
      signal: state.asked.signal,
    }),
  );
}

/* Translates again and again while somebody types, one request after the other. */
async function draft() {
  if (state.isDrafting) return;
  state.isDrafting = true;
  at("result").setAttribute("aria-busy", "true");
  try {
    while (state.timer && at("live").checked && wholeWords(at("text").value) !== state.drafted) {
      const text = (state.drafted = wholeWords(at("text").value));
      const pause = new Promise((resolve) => setTimeout(resolve, state.between));
      if (text.trim()) showDraft((await ask({ q: text })).translatedText);
      await pause;
    }
  } catch {
    state.drafted = ""; // the whole text is translated soon, which says what is wrong
  } finally {
    state.isDrafting = false;
  }
}

function showDraft(translation) {
  if (!state.timer) return;
  state.shown = draftOf(translation, state.shown);
  at("result").replaceChildren(state.shown, " …");
}

async function translate() {
  clearTimeout(state.timer);
  state.timer = 0;
  state.drafted = "";
  state.asked?.abort();
  const text = at("text").value;
  if (!text.trim()) {
    show({ translatedText: "" });
    say("");
    return;
  }
  const wanted = { q: text };
  if (at("several").checked) wanted.alternatives = 3;
  if (at("shade").checked && !at("sure").hidden) wanted.confidence = true;
  if (at("glossary").value.trim()) wanted.glossary = at("glossary").value;
  at("result").classList.add("waiting");
  const begin = performance.now();
  const answering = ask(wanted);
  const { asked } = state;
  try {
    const answer = await answering;
    show(answer);
    const found = answer.detectedLanguage;
    say(`${found ? `From ${nameOf(found.language)}. ` : ""}${Math.round(performance.now() - begin)} ms`);
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  } finally {
    if (state.asked === asked) at("result").classList.remove("waiting");
  }
}

function show({ translatedText, confidence = [], alternatives = [], notes = [] }) {
  state.shown = translatedText;
  const lines = translatedText.split("\n");
  const parts = lines.flatMap((line, number) => {
    const span = document.createElement("span");
    span.textContent = line;
    const sure = confidence[number];
    if (typeof sure === "number") {
      span.className = sure >= 0.6 ? "high" : sure >= 0.35 ? "middle" : "low";
      span.title = `Expected quality: ${Math.round(100 * sure)} of 100`;
    }
    return number ? ["\n", span] : [span];
  });
  at("result").replaceChildren(...parts);
  at("result").setAttribute("aria-busy", "false");
  list("others", "alternatives", alternatives);
  list("remarks", "notes", notes);
}

function list(section, name, texts) {
  at(section).hidden = !texts.length;
  at(name).replaceChildren(
    ...texts.map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      item.dir = "auto";
      return item;
    }),
  );
}

async function translateFile(file) {
  if (!file) return;
  say(`Translating ${file.name} …`);
  const form = new FormData();
  form.append("file", file);
  form.append("source", at("source").value);
  form.append("target", at("target").value);
  try {
    const answer = await answerOf(
      await fetch("translate_file", { method: "POST", headers: headers(), body: form }),
    );
    const link = document.createElement("a");
    link.href = new URL(answer.translatedFileUrl).pathname;
    link.download = file.name;
    link.textContent = `Save the translation of ${file.name}`;
    at("result").replaceChildren(link);
    link.focus();
    say("Translated.");
  } catch (error) {
    say(error.message, true);
  }
}

function swap() {
  const [source, target] = [at("source").value, at("target").value];
  const back = state.languages.find(({ code, targets }) => code === target && targets.includes(source));
  if (!back) {
    say(`There is no model from ${nameOf(target)} to ${source === "auto" ? "another language" : nameOf(source)}.`);
    return;
  }
  at("text").value = at("result").textContent;
  at("source").value = target;
  showTargets(source);
  soon();
}

async function copy() {
  try {
    await navigator.clipboard.writeText(at("result").textContent);
    say("Copied.");
  } catch {
    getSelection().selectAllChildren(at("result"));
    say("Selected. Copy it with Ctrl+C.");
  }
}

function listen() {
  at("text").addEventListener("input", soon);
  for (const name of ["several", "shade", "target"]) at(name).addEventListener("change", translate);
  at("live").addEventListener("change", soon);
  for (const name of ["glossary", "key"]) at(name).addEventListener("input", soon);
  at("target").addEventListener("change", () => showTargets(at("target").value));
  at("source").addEventListener("change", () => {
    showTargets(at("target").value);
    translate();
  });
  at("swap").addEventListener("click", swap);
  at("copy").addEventListener("click", copy);
  at("file").addEventListener("change", (event) => translateFile(event.target.files[0]));
  at("form").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) translate();
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    at("text").addEventListener(kind, (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      at("text").classList.toggle("dropping", kind === "dragenter" || kind === "dragover");
      if (kind === "drop") translateFile(event.dataTransfer.files[0]);
    });
  }
}

async function begin() {
  const [languages, settings] = await Promise.all(
    ["languages", "frontend/settings"].map(async (path) => answerOf(await fetch(path))),
  );
  state.languages = languages;
  state.sure = settings.confidence;
  state.between = settings.requestsPerMinute ? 90_000 / settings.requestsPerMinute : 0;
  at("lock").hidden = !settings.apiKeys;
  const sources = languages.map(({ code }) => ({ code, name: nameOf(code) }));
  if (sources.length > 1) sources.push({ code: "auto", name: "Detect" });
  fill(at("source"), sources, settings.language.source.code);
  at("swap").hidden = !languages.some(({ targets }) => targets.some((to) => sources.some(({ code }) => code === to)));
  showTargets(settings.language.target.code);
  listen();
  if (at("text").value) soon();
}

begin().catch((error) => say(error.message, true));
