// Speaks with the simulator behind the page.

export async function ask(path, options = {}) {
  const answer = await fetch(`/simulator/${path}`, options);
  if (!answer.ok) throw new Error((await answer.text()) || `The simulator answered ${answer.status}.`);
  return answer.status === 204 ? null : answer.json();
}

export function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

export function sendFile({ customer, file, caption, quoted }) {
  const form = new FormData();
  form.append("customer", customer);
  if (caption) form.append("caption", caption);
  if (quoted) form.append("quoted", quoted);
  form.append("file", file, file.name);
  return ask("attachments", { method: "POST", body: form });
}
