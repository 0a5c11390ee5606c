// What pages do by themselves: times in the reader's own time, buttons that copy, and the live page Overview. Without it every
// page says and does the same, as of when it was loaded.
//
// Invariants
// 1. Events are put in as text, never as markup. The board is the server's own markup, whose values it escaped.
// 2. A page in the background does nothing: it holds no stream, and catches up when it is seen again.
// 3. What is renewed keeps its elements, so that focus, selection and open details stay.
'use strict';
(function () {
  // Times.

  const two = function (n) { return String(n).padStart(2, '0'); };
  const clockOf = function (at) { return two(at.getHours()) + ':' + two(at.getMinutes()); };
  const dayOf = function (at) { return at.getFullYear() + '-' + two(at.getMonth() + 1) + '-' + two(at.getDate()); };

  /** "2 min ago", "in 3 h", "just now". */
  function relative(at, now) {
    const seconds = Math.round((now - at) / 1000);
    const size = Math.abs(seconds);
    if (size < 60) return seconds < 0 ? 'in less than 1 min' : 'just now';
    const length = size < 3600 ? Math.floor(size / 60) + ' min'
      : size < 86400 ? Math.floor(size / 3600) + ' h'
        : Math.floor(size / 86400) + ' d';
    return seconds < 0 ? 'in ' + length : length + ' ago';
  }

  function local(at, now) {
    return dayOf(at) === dayOf(now) ? clockOf(at) + ':' + two(at.getSeconds()) : dayOf(at) + ' ' + clockOf(at);
  }

  function written(element, now) {
    const at = new Date(element.dateTime);
    const time = local(at, now);
    // "in 4 min (2026-11-24 08:00:00 UTC)" already says how long it is.
    const before = element.previousSibling;
    return before && before.nodeType === Node.TEXT_NODE && before.data.endsWith('(') ? time : time + ' (' + relative(at, now) + ')';
  }

  function set(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  /** Writes the times under `root` in the reader's own time. */
  function tellTimes(root) {
    const now = new Date();
    for (const element of root.querySelectorAll('time[datetime]')) set(element, written(element, now));
    for (const element of root.querySelectorAll('[data-time]')) set(element, clockOf(new Date(element.dataset.time)));
    for (const element of root.querySelectorAll('[data-instant]')) set(element, local(new Date(element.dataset.instant), now));
    for (const element of root.querySelectorAll('[data-zone]')) set(element, 'your local time');
  }

  tellTimes(document);
  setInterval(function () { if (!document.hidden) tellTimes(document); }, 15000);

  // Copying.

  /** Copies by the clipboard, or where the page is not trusted with it (plain http) by a selection. */
  function copy(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement('textarea');
    field.value = text;
    field.className = 'hidden';
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done ? Promise.resolve() : Promise.reject(new Error('not allowed'));
  }

  const said = document.getElementById('said');

  function tellCopied(button, word) {
    const label = button.firstChild;
    label.data = word;
    said.textContent = word + button.querySelector('.hidden').textContent;
    setTimeout(function () { label.data = 'Copy'; said.textContent = ''; }, 2000);
  }

  for (const button of document.querySelectorAll('button.copy')) button.hidden = false;
  document.addEventListener('click', function (event) {
    const button = event.target.closest('button.copy');
    if (!button) return;
    copy(button.dataset.copy).then(function () {
      tellCopied(button, 'Copied');
      button.focus();
    }, function () { tellCopied(button, 'Not copied'); });
  });

  // The live page.

  const table = document.getElementById('live-table');
  if (!table) return;
  const MOST = 50;
  const rows = document.getElementById('live-rows');
  const empty = document.getElementById('live-empty');
  const state = document.getElementById('live-state');
  let after = table.dataset.after;
  let source = null;
  let retry = null;

  function tell(text, tone) {
    if (state.textContent === text) return;
    state.textContent = text;
    state.className = 'badge ' + tone;
  }

  function cell(label, child, className) {
    const td = document.createElement('td');
    td.dataset.label = label;
    if (className) td.className = className;
    td.append(child);
    return td;
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  /** As the server writes it: it may break behind its dots. */
  function typeBadge(event) {
    const badge = element('span', '', 'badge ' + event.tone);
    event.kind.split(/(?<=\.)/).forEach(function (part) {
      if (badge.hasChildNodes()) badge.append(document.createElement('wbr'));
      badge.append(part);
    });
    return badge;
  }

  function row(event) {
    const tr = document.createElement('tr');
    tr.dataset.test = 'live-row';
    tr.className = 'fresh';
    const time = element('time', '');
    time.dateTime = event.instant;
    time.title = event.instant.replace('T', ' ').replace('Z', ' UTC');
    let context = element('span', event.clientContext);
    if (event.href.startsWith('/operations/') || event.href.startsWith('/events/')) {
      context = element('a', event.clientContext || '(none)');
      context.href = event.href;
    }
    tr.append(cell('Received', time, 'when'), cell('Event', typeBadge(event)), cell('Client context', context, 'main'));
    tellTimes(tr);
    return tr;
  }

  /** Makes `old` what `fresh` is, and keeps each element that stays. */
  function renew(old, fresh) {
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) return;
    for (const { name } of [...old.attributes]) {
      // The reader opened it.
      if (!fresh.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const [kept, wanted] = [[...old.childNodes], [...fresh.childNodes]];
    wanted.forEach(function (child, at) {
      const there = kept[at];
      if (!there) old.append(child);
      else if (there.nodeType === child.nodeType && there.nodeName === child.nodeName) renew(there, child);
      else there.replaceWith(child);
    });
    kept.slice(wanted.length).forEach(function (child) { child.remove(); });
  }

  function showBoard(message) {
    const parsed = new DOMParser().parseFromString(JSON.parse(message.data), 'text/html');
    const fresh = parsed.getElementById('board');
    if (!fresh) return;
    tellTimes(parsed);
    renew(document.getElementById('board'), fresh);
  }

  function showEvent(message) {
    after = message.lastEventId;
    rows.prepend(row(JSON.parse(message.data)));
    while (rows.children.length > MOST) rows.lastElementChild.remove();
    table.hidden = false;
    empty.hidden = true;
  }

  function open() {
    const range = document.getElementById('board').dataset.range;
    source = new EventSource('/console/events?range=' + range + '&after=' + encodeURIComponent(after));
    source.onopen = function () { tell('live', 'good'); };
    source.onmessage = showEvent;
    source.addEventListener('board', showBoard);
    source.onerror = function () {
      if (source.readyState !== EventSource.CLOSED) return tell('not live: connecting again', 'warn');
      // Refused: the server has no place, or one has to log in again.
      tell('not live: reload the page', 'bad');
      retry = setTimeout(open, 10000);
    };
  }

  function close() {
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  }

  document.addEventListener('visibilitychange', function () {
    close();
    if (document.hidden) return tell('not live: in the background', 'quiet');
    tellTimes(document);
    open();
  });
  // A page that the browser keeps for the way back holds no connection.
  addEventListener('pagehide', close);
  addEventListener('pageshow', function (event) { if (event.persisted) open(); });
  if (!document.hidden) open();
})();
