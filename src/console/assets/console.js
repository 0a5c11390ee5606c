// The live table of the page Now: events are put in as text, never as markup. Everything else works without a script.
'use strict';
(function () {
  const table = document.getElementById('live-table');
  if (!table) return;
  const MOST = 50;
  const rows = document.getElementById('live-rows');
  const empty = document.getElementById('live-empty');
  const state = document.getElementById('live-state');

  function tell(text, tone) {
    state.textContent = text;
    state.className = 'badge ' + tone;
  }

  function cell(label, child) {
    const td = document.createElement('td');
    td.dataset.label = label;
    td.append(child);
    return td;
  }

  function element(name, text, className) {
    const made = document.createElement(name);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function row(event) {
    const tr = document.createElement('tr');
    tr.dataset.test = 'live-row';
    tr.className = 'fresh';
    const time = element('time', event.time);
    time.title = event.instant;
    let context = element('span', event.clientContext);
    if (event.href.startsWith('/operations/') || event.href.startsWith('/events/')) {
      context = element('a', event.clientContext || '(none)');
      context.href = event.href;
    }
    tr.append(cell('Time', time), cell('Event', element('span', event.kind, 'badge ' + event.tone)), cell('Client context', context));
    return tr;
  }

  const source = new EventSource('/console/events?after=' + encodeURIComponent(table.dataset.after));
  source.onopen = function () { tell('live', 'good'); };
  source.onmessage = function (message) {
    rows.prepend(row(JSON.parse(message.data)));
    while (rows.children.length > MOST) rows.lastElementChild.remove();
    table.hidden = false;
    empty.hidden = true;
  };
  source.onerror = function () {
    if (source.readyState === EventSource.CLOSED) tell('stopped: reload the page', 'bad');
    else tell('reconnecting', 'warn');
  };
})();
