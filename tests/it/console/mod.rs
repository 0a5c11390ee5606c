//! The console over real HTTP: who gets in, what each page shows, what each button does.

mod bulk;
mod buttons;
mod gate;
mod live;
mod logs;
mod pages;

use std::fmt::Write as _;
use std::sync::Mutex;

use reelhook::simulator::payload::Recording;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, redirect};
use sha2::{Digest, Sha256};

use crate::test_app::{Settings, TestApp};

/// A text that would run as a script if any page forgot to escape it.
pub const PAYLOAD: &str = r#"<script>alert(1)</script>"'><img src=x onerror=alert(2)>"#;

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// Whether an element with this hook is there.
    pub fn has(&self, hook: &str) -> bool {
        self.body.contains(&format!("data-test=\"{hook}\""))
    }

    pub fn count(&self, hook: &str) -> usize {
        self.body.matches(&format!("data-test=\"{hook}\"")).count()
    }

    /// What a person reads, without the elements.
    pub fn text(&self) -> String {
        unescaped(&regex::Regex::new("<[^>]*>").unwrap().replace_all(&self.body, ""))
    }

    /// The number on a tile of the first page.
    pub fn tile(&self, hook: &str) -> String {
        let (_, tile) = self.body.split_once(&format!("data-test=\"{hook}\"")).expect("the tile");
        let (_, number) = tile.split_once("<dd>").unwrap();
        number.split_once("</dd>").unwrap().0.to_owned()
    }

    /// The `href`s that begin with `start`, in order.
    pub fn links(&self, start: &str) -> Vec<String> {
        let hrefs = self.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        hrefs.filter(|href| href.starts_with(start)).map(unescaped).collect()
    }

    /// The hidden fields of the form with this `action`; none if the page has no such form.
    pub fn hidden(&self, action: &str) -> Vec<(String, String)> {
        let forms = self.body.split("<form ").skip(1).filter_map(|rest| rest.split("</form>").next());
        let is_it = |form: &&str| {
            let at = form.split("action=\"").nth(1).and_then(|rest| rest.split('"').next());
            form.contains("method=\"post\"") && at.map(unescaped).is_some_and(|at| at.trim_end_matches('?') == action)
        };
        let inputs = forms.filter(is_it).flat_map(|form| form.split("<input type=\"hidden\" name=\"").skip(1));
        let field = |input: &str| {
            let (name, rest) = input.split_once('"')?;
            let value = rest.strip_prefix(" value=\"")?.split('"').next()?;
            Some((name.to_owned(), unescaped(value)))
        };
        inputs.filter_map(field).collect()
    }

    /// The number on a job's page.
    pub fn job(&self, what: &str) -> &str {
        self.number(&format!("job-{what}"))
    }

    /// The number in the element with this hook.
    pub fn number(&self, hook: &str) -> &str {
        let number = self.body.split(&format!("data-test=\"{hook}\">")).nth(1).and_then(|it| it.split('<').next());
        number.unwrap_or_else(|| panic!("no {hook}: {}", self.body))
    }

    /// The `action`s of forms that hold `part`.
    pub fn actions(&self, part: &str) -> Vec<String> {
        let actions = self.body.split("action=\"").skip(1).filter_map(|rest| rest.split('"').next());
        actions.filter(|action| action.contains(part)).map(unescaped).collect()
    }
}

/// What the templates escape, as the reader sees it.
impl Answer {
    /// On an operation's page: the API's address of the operation, and the answer that the page shows.
    pub fn api(&self) -> (String, serde_json::Value) {
        let part = |from: &str, to: &str| unescaped(self.body.split(from).nth(1).unwrap().split(to).next().unwrap());
        let shown = part("data-test=\"raw\">", "</pre>");
        let shown = regex::Regex::new("</?span[^>]*>").unwrap().replace_all(&shown, "");
        (part("<code>GET ", "</code>"), serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}")))
    }
}

fn unescaped(text: &str) -> String {
    let pairs = [("&#38;", "&"), ("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// A browser: keeps its cookie, follows nothing by itself.
pub struct Browser {
    base: String,
    client: Client,
    cookie: Mutex<Option<String>>,
}

impl Browser {
    pub fn new(app: &TestApp) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { base: format!("http://{}", app.admin), client, cookie: Mutex::default() }
    }

    /// One that is logged in.
    pub async fn logged_in(app: &TestApp, token: &str) -> Self {
        let browser = Self::new(app);
        let answer = browser.log_in(token).await;
        assert_eq!((answer.status, answer.location()), (303, "/"));
        browser
    }

    pub async fn log_in(&self, token: &str) -> Answer {
        self.press("/login", "/login", &[("token", token)]).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        self.send(Method::GET, path, (headers, None)).await
    }

    /// A page that must be there.
    pub async fn page(&self, path: &str) -> Answer {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer
    }

    /// Opens `page` and presses a button of it: posts to `action` with the page's proof, and with what its form has.
    pub async fn press(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.page(page).await;
        self.press_on(&page, action, fields).await
    }

    /// Presses a button of a page that was opened before.
    pub async fn press_on(&self, page: &Answer, action: &str, fields: &[(&str, &str)]) -> Answer {
        let hidden = page.hidden(action);
        let own = hidden.iter().filter(|(name, _)| name != "form" && fields.iter().all(|(given, _)| given != name));
        let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = own.chain(fields.iter().copied()).collect();
        let proof =
            page.body.split("name=\"form\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {}", page.body));
        self.post(action, (proof.split('"').next().unwrap(), &fields), &[]).await
    }

    pub async fn post(
        &self,
        action: &str,
        (proof, fields): (&str, &[(&str, &str)]),
        headers: &[(&'static str, &str)],
    ) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("form", proof).extend_pairs(fields);
        let typed = [headers, &[("content-type", "application/x-www-form-urlencoded")]].concat();
        self.send(Method::POST, action, (&typed, Some(form.finish()))).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        (headers, body): (&[(&'static str, &str)], Option<String>),
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(cookie) = self.cookie() {
            request = request.header(COOKIE, cookie);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        for value in response.headers().get_all(SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            *self.cookie.lock().unwrap() = Some(pair.to_owned()).filter(|pair| !pair.ends_with('='));
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    pub fn set_cookie(&self, cookie: &str) {
        *self.cookie.lock().unwrap() = Some(cookie.to_owned());
    }

    /// Opens the live stream, without reading it.
    pub async fn stream(&self, path: &str) -> reqwest::Response {
        let mut request = self.client.get(format!("{}{path}", self.base));
        if let Some(cookie) = self.cookie() {
            request = request.header(COOKIE, cookie);
        }
        request.send().await.unwrap()
    }
}

/// The config lines of tokens: name, text and scopes.
pub fn tokens(tokens: &[(&str, &str, &[&str])]) -> String {
    let mut lines = String::new();
    for (name, token, scopes) in tokens {
        let mut sha256 = String::new();
        for byte in Sha256::digest(token.as_bytes()) {
            write!(sha256, "{byte:02x}").unwrap();
        }
        writeln!(lines, "[[admin.tokens]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\nscopes = {scopes:?}").unwrap();
    }
    lines
}

/// A server with tokens for each purpose: `reader`, `writer`, `all`; a token's text is its name with `-token`.
pub async fn start_with_tokens() -> TestApp {
    let more = tokens(&[
        ("reader", "reader-token", &["read"]),
        ("writer", "writer-token", &["read", "write"]),
        ("all", "all-token", &["read", "write", "admin"]),
    ]);
    TestApp::start_with(Settings { more, ..Settings::default() }).await
}

/// Has Graph tell of a recording that ended.
pub async fn record(app: &mut TestApp, client_context: &str) {
    let item = Recording::new(&mut app.seed).client_context(client_context).completed();
    assert_eq!(app.post_calls(&[item]).await.status, 202);
}
