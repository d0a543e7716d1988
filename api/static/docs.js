// What the documentation does beyond HTML: results while typing, buttons to copy, one language for all examples.
const field = document.querySelector(".search input");
const found = document.querySelector(".found");
let asked = 0;
let timer;

const links = () => [...found.querySelectorAll("a")];
const close = () => { found.hidden = true; };

async function show() {
  const mine = ++asked;
  const query = field.value.trim();
  if (!query) return close();
  const answer = await fetch(`/docs/search?part=1&q=${encodeURIComponent(query)}`);
  if (!answer.ok || mine !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine !== asked) return;
  const at = links().indexOf(document.activeElement);
  found.replaceChildren(...page.body.childNodes);
  found.hidden = false;
  if (at >= 0) (links()[at] ?? field).focus();
}

field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(show, 120); });
field.addEventListener("focus", () => { if (found.childElementCount && field.value.trim()) found.hidden = false; });

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea, [contenteditable]");
  if (event.key === "/" && !typing) { event.preventDefault(); field.focus(); field.select(); return; }
  if (found.hidden || !event.target.closest(".search")) return;
  const all = links();
  const at = all.indexOf(document.activeElement);
  if (event.key === "Escape") { close(); field.focus(); }
  if (event.key === "ArrowDown" && all.length) { event.preventDefault(); all[Math.min(at + 1, all.length - 1)].focus(); }
  if (event.key === "ArrowUp" && all.length) { event.preventDefault(); (at > 0 ? all[at - 1] : field).focus(); }
});
document.addEventListener("click", (event) => { if (!event.target.closest(".search") || event.target.closest(".found a")) close(); });

if (navigator.clipboard) {
  for (const block of document.querySelectorAll("pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  }
}

function choose(language) {
  for (const each of document.querySelectorAll(`.languages input[value="${CSS.escape(language)}"]`)) each.checked = true;
}
const chosen = localStorage.getItem("language");
if (chosen) choose(chosen);
document.addEventListener("change", (event) => {
  if (event.target.matches(".languages input")) {
    const top = event.target.getBoundingClientRect().top;
    localStorage.setItem("language", event.target.value);
    choose(event.target.value);
    scrollBy(0, event.target.getBoundingClientRect().top - top);
  }
});
