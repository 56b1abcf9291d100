//! A session of an operator who sends forms.

use super::{ORIGIN, Visit, console};
use crate::console::{Console, page_table::PageMethod, routes, sessions::SignedIn};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;

pub(super) const CUSTOMERS: &str = "/console/m/acme/customers";

pub(super) const ALICE: &str = "/console/m/acme/customers/1000001";

/// What a form answers.
pub(super) struct Sent {
    pub(super) status: u16,
    pub(super) location: String,
    pub(super) body: String,
}

/// A session of an operator.
pub(super) struct Staff {
    pub(super) console: Arc<Console>,
    pub(super) routes: Router,
}

impl Staff {
    pub(super) fn new() -> Self {
        Self::of(console())
    }

    pub(super) fn of(console: Arc<Console>) -> Self {
        let routes = routes(&console);
        Self { console, routes }
    }

    pub(super) fn visit(&self) -> Visit<'_> {
        Visit { console: &self.console, routes: &self.routes, token: Some("operator") }
    }

    pub(super) async fn page(&self, path: &str) -> String {
        self.visit().page(path).await
    }

    pub(super) async fn send(&self, path: &str, form: &str) -> Sent {
        let response = self.visit().send(PageMethod::Post, path, Some(ORIGIN), form).await;
        sent(response).await
    }

    /// Sends a form, then the form of its preview with further fields. Checks that the preview shows a text.
    pub(super) async fn change(&self, path: &str, form: &str, (shown, typed): (&str, &str)) -> Sent {
        let preview = self.send(path, form).await;
        assert!(preview.status == 200 && preview.body.contains(shown), "{path} {form}: {}", preview.body);
        self.send(path, &format!("{}{typed}", confirmation(&preview.body))).await
    }

    /// Uploads a form with files.
    pub(super) async fn upload(&self, token: &str, parts: &[(&str, &str)]) -> Sent {
        let mut body = String::new();
        for (name, content) in parts {
            let file = if *name == "file" { "; filename=\"t.csv\"" } else { "" };
            body.push_str(&format!(
                "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n"
            ));
        }
        body.push_str("--xyz--\r\n");
        let parts = &self.console.parts;
        let token = parts.access.of_text(token, parts.payments.clock.wall()).unwrap();
        let signed_in = SignedIn { token, person: None };
        let id = self.console.sessions.begin(signed_in, parts.payments.clock.running_ms()).unwrap();
        let request = Request::builder()
            .method("POST")
            .uri(format!("{CUSTOMERS}.csv"))
            .header(header::HOST, super::HOST)
            .header(header::ORIGIN, ORIGIN)
            .header(header::COOKIE, format!("levelgate-session={id}"))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=xyz");
        let request = request.body(Body::from(body)).unwrap();
        sent(TowerToHyperService::new(self.routes.clone()).call(request).await.unwrap()).await
    }

    /// The page that a redirect leads to.
    pub(super) async fn follow(&self, sent: &Sent) -> String {
        assert_eq!(sent.status, 303, "{}", sent.body);
        self.page(&format!("/{}", sent.location.trim_start_matches("../"))).await
    }

    /// The number of a new customer.
    pub(super) async fn create(&self, form: &str) -> String {
        let created = self.change(&format!("{CUSTOMERS}/new"), form, ("will be created", "")).await;
        let page = self.follow(&created).await;
        assert!(page.contains("The change is recorded."));
        created.location.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
    }
}

pub(super) async fn sent(response: axum::http::Response<Body>) -> Sent {
    let status = response.status().as_u16();
    let location = response.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Sent { status, location: location.unwrap_or_default(), body: String::from_utf8(body.to_vec()).unwrap() }
}

/// What the form of a preview sends: its hidden fields, and that it is confirmed.
pub(super) fn confirmation(page: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for field in page.split("<input type=\"hidden\" name=\"").skip(1) {
        let (name, rest) = field.split_once('"').unwrap();
        let value = rest.strip_prefix(" value=\"").unwrap().split('"').next().unwrap();
        let value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        form.append_pair(name, &value);
    }
    form.append_pair("step", "confirm").finish()
}
