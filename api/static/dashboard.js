// What the dashboard does beyond HTML: buttons to copy, local times, lists that keep themselves fresh, one-key search.
document.documentElement.classList.add("scripted");
const words = JSON.parse(document.body.dataset.words ?? '{"copy":"Copy","copied":"Copied"}');

function prepare(root) {
  if (navigator.clipboard) {
    for (const block of root.querySelectorAll("pre.code:not(:has(.copy))")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = words.copy;
      block.append(button);
    }
  }
  for (const each of root.querySelectorAll("time[datetime]:not([title])")) {
    const moment = new Date(each.dateTime);
    each.title = each.dateTime;
    const pad = (number) => String(number).padStart(2, "0");
    const day = `${moment.getFullYear()}-${pad(moment.getMonth() + 1)}-${pad(moment.getDate())}`;
    each.textContent = `${day} ${pad(moment.getHours())}:${pad(moment.getMinutes())}:${pad(moment.getSeconds())}`;
  }
}
prepare(document);

// Times are chosen in the reader's own zone, and asked for in UTC.
const asField = (moment) => new Date(moment - moment.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
for (const field of document.querySelectorAll("input[type=datetime-local]")) {
  const label = field.parentElement.querySelector("[data-local]");
  if (!label) continue;
  label.textContent = label.dataset.local;
  if (field.value) field.value = asField(new Date(`${field.value}Z`));
  field.form.addEventListener("formdata", (event) => {
    if (field.value) event.formData.set(field.name, new Date(field.value).toISOString().slice(0, 16));
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (!button) return;
  await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
  button.textContent = words.copied;
  setTimeout(() => { button.textContent = words.copy; }, 1500);
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.querySelector("input[type=search]");
  if (field) { event.preventDefault(); field.focus(); field.select(); }
});

const live = document.querySelector("[data-live]");
if (live) {
  const seconds = Number(live.dataset.live);
  setInterval(async () => {
    if (document.hidden || live.contains(document.activeElement)) return;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-live]");
    if (!fresh || fresh.innerHTML === live.dataset.kept) return;
    live.dataset.kept = fresh.innerHTML;
    live.replaceChildren(...fresh.childNodes);
    prepare(live);
  }, seconds * 1000);
}
