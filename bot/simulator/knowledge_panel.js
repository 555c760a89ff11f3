// Adds files to the business's knowledge and shows how far each one is.

import { element } from "./message_text.js";

const STATES = {
  uploading: "Uploading…",
  queued: "Waiting…",
  parsing: "Reading…",
  embedding: "Understanding…",
  indexing: "Filing…",
};
const POLL_MILLISECONDS = 500;
const ENDED = new Set(["ready", "failed"]);

export class KnowledgePanel {
  constructor(list, onReady) {
    this.list = list;
    this.onReady = onReady;
    this.rows = new Map();
  }

  async load() {
    const answer = await fetch("/simulator/knowledge").catch(() => null);
    if (!answer?.ok) return;
    for (const item of (await answer.json()).documents) {
      this.draw(item.id, item);
      if (!ENDED.has(item.status)) this.follow(item.id);
    }
  }

  async add(files) {
    const chosen = [...files];
    if (!chosen.length) return;
    const keys = chosen.map((file) => `upload ${crypto.randomUUID()}`);
    chosen.forEach((file, index) => this.draw(keys[index], { filename: file.name, status: "uploading", progress: 0 }));
    const form = new FormData();
    for (const file of chosen) form.append("files", file);
    try {
      const answer = await fetch("/simulator/knowledge", { method: "POST", body: form });
      if (!answer.ok) throw new Error(await reason(answer));
      const { documents } = await answer.json();
      keys.forEach((key) => this.remove(key));
      for (const item of documents) {
        this.draw(item.id, item);
        this.follow(item.id);
      }
    } catch (error) {
      chosen.forEach((file, index) =>
        this.draw(keys[index], { filename: file.name, status: "failed", error_message: error.message }));
    }
  }

  async follow(id) {
    for (;;) {
      await new Promise((wake) => setTimeout(wake, POLL_MILLISECONDS));
      const answer = await fetch(`/simulator/knowledge/${encodeURIComponent(id)}`).catch(() => null);
      if (answer?.status === 404) return this.remove(id);
      if (!answer?.ok) continue;
      const item = await answer.json();
      this.draw(id, item);
      if (!ENDED.has(item.status)) continue;
      if (item.status === "ready") this.onReady(item);
      return;
    }
  }

  draw(key, item) {
    const row = element("li", "", `document ${item.status}`);
    row.append(element("span", extension(item.filename), "kind"), element("span", item.filename, "filename"));
    row.append(element("span", state(item), "state"));
    if (!ENDED.has(item.status)) {
      const bar = document.createElement("progress");
      bar.setAttribute("aria-label", `Progress of ${item.filename}`);
      if (item.progress > 0) bar.value = item.progress;
      row.append(bar);
    }
    const old = this.rows.get(key);
    if (old) old.replaceWith(row);
    else this.list.prepend(row);
    this.rows.set(key, row);
  }

  remove(key) {
    this.rows.get(key)?.remove();
    this.rows.delete(key);
  }
}

function state(item) {
  if (item.status === "failed") return item.error_message || "Could not be read.";
  if (item.status === "ready") return item.chunks_count === 1 ? "Ready · 1 passage" : `Ready · ${item.chunks_count} passages`;
  return STATES[item.status] ?? item.status;
}

function extension(filename) {
  const dot = filename.lastIndexOf(".");
  return dot > 0 ? filename.slice(dot + 1, dot + 5).toUpperCase() : "FILE";
}

async function reason(answer) {
  const text = await answer.text();
  try {
    const problem = JSON.parse(text);
    return problem.detail || problem.title || text;
  } catch {
    return text || `The server answered ${answer.status}.`;
  }
}
