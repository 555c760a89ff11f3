// Turns a WhatsApp text into nodes: *bold*, _italic_, ~strike~, `code`, ```mono```, lists, quotes, links.
// Text goes into text nodes only, so nothing that a customer or a model writes can become markup.

const EDGE = "[\\p{L}\\p{N}]";
const marked = (sign) => new RegExp(`(?<!${EDGE})[${sign}](?=\\S)([^\\n${sign}]*[^\\s${sign}])[${sign}](?!${EDGE})`, "gu");
const INLINE = [
  { pattern: /`([^`\n]+)`/g, tag: "code", plain: true },
  { pattern: /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}*_~]/g, tag: "a", plain: true },
  { pattern: marked("*"), tag: "strong" },
  { pattern: marked("_"), tag: "em" },
  { pattern: marked("~"), tag: "s" },
];
const LINES = [
  { pattern: /^[*-] +(.*)$/, list: "ul" },
  { pattern: /^(\d{1,3})[.)] +(.*)$/, list: "ol" },
  { pattern: /^> (.*)$/, list: "blockquote" },
];

export function formatted(text) {
  const whole = document.createDocumentFragment();
  text.split(/```([\s\S]+?)```/).forEach((part, index) => {
    if (index % 2) {
      whole.append(element("pre", part.replace(/^\n|\n$/g, "")));
    } else if (part.trim()) {
      addLines(whole, part.replace(/^\n+|\n+$/g, ""));
    }
  });
  return whole;
}

function addLines(whole, text) {
  let open = null;
  for (const line of text.split("\n")) {
    const kind = LINES.find(({ pattern }) => pattern.test(line));
    const type = kind ? kind.list : "p";
    if (!open || open.type !== type || (type === "p" && !line.trim())) {
      open = { type, node: document.createElement(type) };
      whole.append(open.node);
    } else if (type === "p" || type === "blockquote") {
      open.node.append(document.createElement("br"));
    }
    addLine(open.node, kind, line);
    if (type === "p" && !line.trim()) open = null;
  }
}

function addLine(node, kind, line) {
  if (!kind) return addInline(node, line);
  const found = line.match(kind.pattern);
  if (kind.list === "blockquote") return addInline(node, found[1]);
  const item = document.createElement("li");
  if (kind.list === "ol") item.value = Number(found[1]);
  addInline(item, found[found.length - 1]);
  node.append(item);
}

function addInline(node, text) {
  let done = 0;
  while (done < text.length) {
    const next = nearest(text, done);
    if (!next) break;
    node.append(text.slice(done, next.found.index));
    node.append(inline(next.kind, next.found));
    done = next.found.index + next.found[0].length;
  }
  node.append(text.slice(done));
}

function nearest(text, from) {
  let best = null;
  for (const kind of INLINE) {
    kind.pattern.lastIndex = from;
    const found = kind.pattern.exec(text);
    if (found && (!best || found.index < best.found.index)) best = { kind, found };
  }
  return best;
}

function inline(kind, found) {
  if (kind.tag === "a") {
    const link = element("a", found[0]);
    link.href = found[0];
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return link;
  }
  if (kind.plain) return element(kind.tag, found[1]);
  const node = document.createElement(kind.tag);
  addInline(node, found[1]);
  return node;
}

export function element(tag, text = "", className = "") {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  if (className) node.className = className;
  return node;
}
