// Search over the index of search.js, and a button to copy each example. Without this script the pages are whole, but for these two.
(() => {
  "use strict";
  const root = document.body.dataset.root;
  const box = document.getElementById("q");
  const list = document.getElementById("found");
  const most = 12;
  let chosen = -1;

  function close() {
    list.hidden = true;
    chosen = -1;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  }

  // Every word must be there; what has it in its name comes first.
  function search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const rank = (e) => words.filter((w) => e.name.includes(w)).length;
    return words.length === 0 ? [] : searchable
      .filter((e) => words.every((w) => e.words.includes(w)))
      .sort((a, b) => rank(b) - rank(a) || (a.name < b.name ? -1 : 1));
  }

  function show() {
    const found = search(box.value);
    list.replaceChildren(...found.slice(0, most).map((e, i) => {
      const item = document.createElement("li");
      item.id = "found-" + i;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      const link = document.createElement("a");
      link.href = root + e.page;
      link.tabIndex = -1;
      const name = document.createElement("strong");
      name.textContent = e.name;
      const doc = document.createElement("span");
      doc.textContent = e.doc;
      link.append(name, doc);
      item.append(link);
      return item;
    }));
    if (box.value.trim() === "") {
      close();
      return;
    }
    if (found.length === 0 || found.length > most) {
      const note = document.createElement("p");
      note.textContent = found.length === 0 ? "Nothing has all of these words." : `${found.length - most} more: add a word.`;
      list.append(note);
    }
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
    choose(found.length > 0 ? 0 : -1);
  }

  function choose(n) {
    const items = list.querySelectorAll("li");
    items.forEach((item, i) => item.setAttribute("aria-selected", String(i === n)));
    chosen = n;
    if (n >= 0) {
      box.setAttribute("aria-activedescendant", items[n].id);
      items[n].scrollIntoView({ block: "nearest" });
    }
  }

  box.closest("search").hidden = false;
  box.addEventListener("input", show);
  box.addEventListener("focus", () => box.value && show());
  box.addEventListener("keydown", (key) => {
    const items = list.querySelectorAll("li");
    if (key.key === "Escape") {
      box.value = "";
      close();
    } else if (key.key === "Enter" && chosen >= 0) {
      items[chosen].querySelector("a").click();
    } else if ((key.key === "ArrowDown" || key.key === "ArrowUp") && items.length > 0) {
      key.preventDefault();
      choose((chosen + (key.key === "ArrowDown" ? 1 : items.length - 1)) % items.length);
    }
  });
  document.addEventListener("keydown", (key) => {
    if (key.key === "/" && document.activeElement !== box && !key.ctrlKey && !key.metaKey && !key.altKey) {
      key.preventDefault();
      box.focus();
      box.select();
    }
  });
  document.addEventListener("click", (event) => {
    if (!box.closest("search").contains(event.target)) close();
  });

  for (const text of document.querySelectorAll("pre[id]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const code = text.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code); // a page from a disk may not write there: one key is left to press
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    text.append(button);
  }
})();
