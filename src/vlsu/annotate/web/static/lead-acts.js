// What a lead does: invitations, pauses, grades set aside, reports of stopped items, false alarms.

import { announce, byId, count, el, linkTo, post, say } from "./lead-dom.js";

const changed = () => document.dispatchEvent(new Event("changed"));

/** Open a dialog, empty but for what it is given. */
function open(dialog) {
  dialog.querySelector("form")?.reset();
  complain(dialog, "");
  dialog.showModal();
}

function complain(dialog, message) {
  const place = dialog.querySelector("[role=alert]");
  if (!place) return;
  place.textContent = message;
  place.hidden = !message;
}

/** Do something from a dialog; it stays open, and says why, if that fails. */
async function act(dialog, path, body, done) {
  try {
    const found = await post(path, body);
    dialog.close();
    changed();
    done?.(found);
  } catch (error) {
    complain(dialog, error.message);
  }
}

function onSend(id, send) {
  byId(id).querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    send(byId(id));
  });
}

for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const from = byId(button.dataset.copy);
    const text = from.value ?? from.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS there is no clipboard, except on this machine: select it, and copy as of old.
      if (from.select) from.select();
      else getSelection().selectAllChildren(from);
      document.execCommand("copy");
    }
    announce(say("copied"));
    const before = button.textContent;
    button.textContent = say("copied");
    setTimeout(() => (button.textContent = before), 2000);
  });
}

// People

byId("invite-open").addEventListener("click", () => open(byId("invite")));

onSend("invite", (dialog) => {
  const name = byId("invite-name").value;
  const languages = byId("invite-languages").value.split(/[\s,]+/).filter(Boolean);
  invite(dialog, { name, role: byId("invite-role").value, languages });
});

function invite(dialog, who) {
  act(dialog, "/api/lead/invite", who, ({ path }) => {
    byId("link-title").textContent = say("people.link_for", { name: who.name });
    byId("link-text").value = linkTo(path);
    byId("link").showModal();
    byId("link-text").select();
  });
}

// The link is shown once: nothing keeps it when the dialog is closed.
byId("link").addEventListener("close", () => (byId("link-text").value = ""));

const personOf = (id, figures) => figures.people.find((each) => each.id === id);

export function personButton(id, figures) {
  return el("button", {
    type: "button",
    "data-key": `person-${id}`,
    "aria-label": say("people.change_of", { name: personOf(id, figures()).name }),
    onclick: () => openPerson(personOf(id, figures())),
  }, say("people.change"));
}

let opened = null;
function openPerson(person) {
  const dialog = byId("person");
  drawPerson(dialog, person);
  complain(dialog, "");
  dialog.showModal();
}

/** Draw the open dialog of a person anew where newer figures changed what can be done. */
export function followPerson(figures) {
  const dialog = byId("person");
  if (!dialog.open) return;
  const person = personOf(opened.id, figures);
  const same = ["name", "state", "sessions", "done"].every((key) => person[key] === opened[key]);
  if (!same) drawPerson(dialog, person);
}

function drawPerson(dialog, person) {
  opened = person;
  byId("person-title").textContent = person.name;
  byId("person-about").textContent = `${say(`role.${person.role}`)} · ${say(`state.${person.state}`)}`;
  const choice = (name, run, kind = "") =>
    el("div", {}, el("button", { type: "button", class: kind || null, onclick: run }, say(`act.${name}`)),
      el("p", {}, say(`act.${name}_how`)));
  const change = (path) => () =>
    act(dialog, path, { person: person.id }, () => announce(`${person.name}: ${say("done")}`));
  const paused = person.state === "paused";
  const choices = [
    choice("link", () => invite(dialog, { name: person.name, role: person.role })),
  ];
  if (person.role !== "lead") {
    choices.push(
      paused ? choice("resume", change("/api/lead/resume")) : choice("pause", change("/api/lead/pause")),
    );
    if (paused && person.role === "grader") {
      choices.push(choice("aside", () => openAside(dialog, person), "danger"));
    }
    if (person.sessions) choices.push(choice("lock_out", change("/api/lead/lock-out")));
  }
  byId("person-choices").replaceChildren(...choices);
}

let aside = null;
function openAside(dialog, person) {
  dialog.close();
  aside = person;
  byId("aside-title").textContent = say("aside.title", { name: person.name });
  byId("aside-how").textContent = say("aside.how", { name: person.name });
  byId("aside-number").textContent = say("aside.number", { n: count(person.done) });
  open(byId("aside"));
}

onSend("aside", (dialog) => {
  const { id, name } = aside;
  act(dialog, "/api/lead/set-aside", { person: id }, ({ grades }) =>
    announce(say("aside.done", { name, n: count(grades) })));
});

// Stops

let stop = null;
function openStop(id, chosen) {
  stop = chosen;
  byId(`${id}-title`).textContent = say(`stops.${id}_title`, { sample: chosen.sample });
  open(byId(id));
  if (id === "report" && chosen.reported_at) {
    byId("report-to").value = chosen.reported_to;
    byId("report-reference").value = chosen.reference ?? "";
  }
}

export function stopButtons(found) {
  if (found.lifted_at) return "";
  const button = (name, text) =>
    el("button", {
      type: "button",
      "data-key": `${name}-${found.id}`,
      "aria-label": `${text}: ${found.sample}`,
      onclick: () => openStop(name, found),
    }, text);
  return el("div", { class: "acts" },
    button("report", say(found.reported_at ? "stops.correct" : "stops.report")),
    button("lift", say("stops.lift")));
}

onSend("report", (dialog) => {
  const reference = byId("report-reference").value;
  act(dialog, "/api/lead/report", { stop: stop.id, to: byId("report-to").value, reference },
    () => announce(`${stop.sample}: ${say("stops.reported")}`));
});

onSend("lift", (dialog) =>
  act(dialog, "/api/lead/lift", { stop: stop.id, reason: byId("lift-reason").value },
    ({ samples }) => announce(say("stops.came_back", { n: count(samples) }))));
