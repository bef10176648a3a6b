// Asks once a second for what is new. Everything that arrived is put on the page as text, never as markup.

const SHOWN = 200;
const PAUSE_MS = 1000;

const PANELS = {
  pushes: { title: "Pushes", empty: "No push yet. They appear here as FCM takes them.", card: pushCard },
  payments: { title: "Payments", empty: "No payment yet. A buyer makes one on the checkout page.", card: paymentCard },
  hooks: { title: "Webhooks", empty: "No webhook yet. Subscribe this sandbox's /webhooks/name to the shop's events.", card: hookCard },
  mails: { title: "Mails", empty: "No mail yet. Whatever the shop sends ends up here.", card: mailCard },
};

const board = document.getElementById("board");
const filter = document.getElementById("filter");
const panels = new Map();
let epoch = "";
let sheetVersion = -1;

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function title(text, otherwise) {
  return text ? element("span", "title", text) : element("span", "title untitled", otherwise);
}

function when(iso) {
  const time = element("time", "", age(iso));
  time.dateTime = iso;
  time.title = new Date(iso).toLocaleString();
  return time;
}

function age(iso) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(iso)) / 1000));
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function pair(name, value, className = "") {
  const shown = element("dd", "", value);
  shown.title = value;
  return element("div", className, element("dt", "", name), shown);
}

function pushCard({ item }) {
  const icon = element("img");
  icon.src = "/assets/icon.svg";
  icon.alt = "";
  const facts = element("dl", "", pair("token", item.token, "wide"));
  for (const [name, value] of Object.entries(item.data)) facts.append(pair(name, value));
  const words = item.body ? [element("p", "words", item.body)] : [];
  const text = element("div", "", element("div", "row", title(item.title, "without a title"), when(item.sent_at)), ...words, facts);
  return element("div", "push", icon, text);
}

function paymentCard({ item }) {
  const facts = element("dl", "", pair("payment", item.payment_id), pair("status", item.status));
  facts.append(pair("detail", item.status_detail), pair("amount", `ARS ${item.amount}`));
  if (Number(item.refunded)) facts.append(pair("refunded", `ARS ${item.refunded}`));
  facts.append(pair("reference", item.external_reference, "wide"));
  const head = element("div", "row", title(item.description, "without a title"), when(item.at));
  return element("div", "payment", head, facts);
}

function hookCard({ item }) {
  const facts = element("dl", "", pair("id", item.message_id, "wide"), pair("signature", item.verdict));
  facts.append(pair("receiver", item.receiver), pair("time", String(item.times)), pair("body", item.body, "wide"));
  return element("div", "payment", element("div", "row", title(item.type, "without a type"), when(item.at)), facts);
}

function mailCard({ number, item }) {
  const head = element("div", "row", title(item.subject, "without a subject"), when(item.sent_at));
  const summary = element("summary", "", head, element("div", "to", `to ${item.to}`));
  if (item.text.trim()) summary.append(element("p", "glance", item.text.trim()));
  const details = element("details", "", summary);
  details.addEventListener("toggle", () => openMail(details, number, item), { once: true });
  return details;
}

function openMail(details, number, item) {
  const text = element("pre", "", item.text || "This mail has no text.");
  if (!item.html) return details.append(text);
  const frame = element("iframe");
  frame.setAttribute("sandbox", "allow-popups allow-popups-to-escape-sandbox");
  frame.title = item.subject;
  frame.src = `/mails/${number}`;
  const [asHtml, asText] = ["HTML", "Text"].map((name) => element("button", "", name));
  const show = (html) => {
    frame.hidden = !html;
    text.hidden = html;
    asHtml.setAttribute("aria-pressed", String(html));
    asText.setAttribute("aria-pressed", String(!html));
  };
  asHtml.addEventListener("click", () => show(true));
  asText.addEventListener("click", () => show(false));
  show(true);
  details.append(element("div", "tabs", asHtml, asText), frame, text);
}

function plainCard({ item }) {
  return element("pre", "", JSON.stringify(item, null, 2));
}

function panelOf(name) {
  if (!panels.has(name)) {
    const known = PANELS[name] ?? { title: name, empty: "Nothing yet.", card: plainCard };
    const count = element("span", "", "0");
    const list = element("ul");
    const empty = element("div", "empty", known.empty);
    const section = element("section", "panel", element("h2", "", known.title, " ", count), empty, list);
    board.append(section);
    panels.set(name, { card: known.card, count, list, empty, total: 0 });
  }
  return panels.get(name);
}

function update(name, shelf) {
  const panel = panelOf(name);
  const first = panel.total === 0;
  panel.total = shelf.total;
  panel.count.textContent = shelf.total.toLocaleString();
  panel.empty.hidden = shelf.total > 0;
  const cards = shelf.items.map((entry) => {
    const card = element("li", first ? "card" : "card fresh", panel.card(entry));
    card.dataset.search = JSON.stringify(Object.values(entry.item)).toLowerCase();
    card.hidden = !matches(card);
    return card;
  });
  panel.list.prepend(...cards);
  while (panel.list.childElementCount > SHOWN) panel.list.lastElementChild.remove();
}

function matches(card) {
  return card.dataset.search.includes(filter.value.trim().toLowerCase());
}

function forget() {
  for (const panel of panels.values()) {
    panel.total = 0;
    panel.list.replaceChildren();
  }
}

function showFaults(faults) {
  const pill = document.getElementById("faults");
  pill.hidden = faults.length === 0;
  pill.textContent = faults.map(faultText).join(", ");
}

function faultText({ provider, times, status, delay_seconds: delay, drop }) {
  const what = [status, delay ? `${delay} s late` : "", drop ? "dropped" : ""].filter(Boolean).join(" ");
  return `next ${times} of ${provider}: ${what}`;
}

function showState(name, words) {
  const state = document.getElementById("state");
  state.className = `state ${name}`;
  state.querySelector("b").textContent = words;
}

function letters(column) {
  return (column >= 26 ? letters(Math.floor(column / 26) - 1) : "") + String.fromCharCode(65 + (column % 26));
}

function sheetCell(row, column, value) {
  const cell = element("td", typeof value === "number" ? "number" : "", String(value ?? ""));
  cell.contentEditable = "plaintext-only";
  cell.addEventListener("blur", () => {
    if (cell.textContent === String(value ?? "")) return;
    const body = JSON.stringify({ row, column, text: cell.textContent });
    fetch("/__emu__/sheet/cell", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  });
  return cell;
}

async function showSheet(version) {
  const section = document.getElementById("sheet");
  if (version === sheetVersion || section.contains(document.activeElement)) return;
  const { rows } = await (await fetch("/sheet.json")).json();
  const width = Math.max(0, ...rows.map((row) => row.length));
  const columns = Array.from({ length: width }, (_, column) => column);
  const head = element("tr", "", element("th"), ...columns.map((column) => element("th", "", letters(column))));
  const lines = rows.map((row, number) =>
    element("tr", "", element("th", "", String(number + 1)), ...columns.map((column) => sheetCell(number, column, row[column]))),
  );
  section.querySelector("thead").replaceChildren(head);
  section.querySelector("tbody").replaceChildren(...lines);
  section.hidden = rows.length === 0;
  sheetVersion = version;
}

async function look() {
  const query = new URLSearchParams({ epoch });
  for (const [name, panel] of panels) query.set(name, panel.total);
  const answer = await fetch(`/feed.json?${query}`);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const feed = await answer.json();
  if (feed.epoch !== epoch) forget();
  epoch = feed.epoch;
  for (const [name, shelf] of Object.entries(feed.shelves)) update(name, shelf);
  document.getElementById("requests").textContent = `${feed.requests.toLocaleString()} requests`;
  showFaults(feed.faults);
  await showSheet(feed.sheet);
}

async function watch() {
  try {
    await look();
    showState("live", "live");
  } catch {
    showState("lost", "no answer");
  }
  for (const time of board.querySelectorAll("time")) time.textContent = age(time.dateTime);
  setTimeout(watch, PAUSE_MS);
}

filter.addEventListener("input", () => {
  for (const card of board.querySelectorAll(".card")) card.hidden = !matches(card);
});
document.getElementById("reset").addEventListener("click", () => fetch("/__emu__/reset", { method: "POST" }));
watch();
