"use strict";
// A term's sentence, shown below it while the pointer or the focus is on it.
(() => {
  const bubble = document.getElementById("meaning");
  let owner = null;

  function hide() {
    if (owner) owner.removeAttribute("aria-describedby");
    owner = null;
    bubble.hidden = true;
  }

  function show(element) {
    hide();
    owner = element;
    bubble.textContent = element.dataset.meaning;
    bubble.hidden = false;
    element.setAttribute("aria-describedby", "meaning");
    place();
  }

  function place() {
    if (!owner) return;
    const frame = owner.getBoundingClientRect();
    const most = { left: window.innerWidth - bubble.offsetWidth - 8, top: window.innerHeight - bubble.offsetHeight - 8 };
    bubble.style.left = `${Math.max(8, Math.min(frame.left, most.left))}px`;
    bubble.style.top = `${frame.bottom + 6 > most.top ? frame.top - bubble.offsetHeight - 6 : frame.bottom + 6}px`;
  }

  for (const event of ["mouseover", "focusin"]) {
    document.addEventListener(event, ({ target }) => {
      const element = target.closest?.("[data-meaning]");
      if (element && element !== owner) show(element);
      else if (!element && event === "mouseover") hide();
    });
  }
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", place, { capture: true, passive: true });
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") hide(); });
})();
