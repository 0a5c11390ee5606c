//! What is explained of a token is what is decided about it.

use serde_json::{Value, json};

use crate::domain::Reason;
use crate::graph::testing::{Graph, with};
use crate::graph::{Demands, Outcome, Refusal, inspect, keys};

/// Changes of the claims and of the header.
fn changes() -> Vec<(Value, Value)> {
    let claims = [
        json!({}),
        json!({ "aud": "another" }),
        json!({ "aud": ["another"] }),
        json!({ "aud": 7 }),
        json!({ "aud": null }),
        json!({ "iss": "https://login.example" }),
        json!({ "iss": null }),
        json!({ "tid": null }),
        json!({ "tid": "" }),
        json!({ "exp": 0 }),
        json!({ "exp": "soon" }),
        json!({ "exp": null }),
        json!({ "nbf": 9_999_999_999i64 }),
        json!({ "nbf": null }),
        json!({ "iat": 9_999_999_999i64 }),
        json!({ "iat": 1.5 }),
        json!({ "aud": "another", "exp": 0, "tid": null }),
    ];
    let headers = [
        json!({ "alg": "HS256" }),
        json!({ "alg": null }),
        json!({ "kid": null }),
        json!({ "kid": "unknown" }),
        json!({ "kid": "" }),
        json!({ "crit": ["exp"] }),
        json!({ "alg": "none", "kid": "unknown" }),
    ];
    let of_claims = claims.into_iter().map(|claims| (claims, json!({})));
    of_claims.chain(headers.into_iter().map(|header| (json!({}), header))).collect()
}

#[actix_web::test]
async fn the_verdict_is_that_of_the_server_and_a_failed_check_gives_its_reason() {
    let graph = Graph::start();
    let set = keys::fetch(graph.provider.url.clone()).await.unwrap();
    let demands = Demands::of_calls(&crate::graph::testing::calls(&graph.provider));
    let mut tokens: Vec<String> = ["", "a", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e"].map(Into::into).to_vec();
    tokens.push("x".repeat(20_000));
    for (claims, header) in changes() {
        let header = with(json!({ "typ": "JWT", "alg": "RS256", "kid": "key-1" }), header);
        tokens.push(graph.identity.token_with(&header, &with(graph.call_claims(), claims).to_string()));
    }
    tokens.push(graph.identity.token_with(&json!({ "alg": "RS256", "kid": "key-1" }), "no json"));
    let good = graph.identity.token(&graph.call_claims());
    tokens.push(format!("{}AAAA", &good[..good.len() - 4]));
    let mut n_accepted = 0;
    for token in tokens {
        let decided = match graph.calls.prove(&[format!("Bearer {token}").as_bytes()]).await {
            Ok(_sender) => Ok(()),
            Err(Refusal::Unauthorized(Reason::AuthHeader)) => Err(Reason::JwtMalformed),
            Err(Refusal::Unauthorized(reason)) => Err(reason),
            Err(other) => panic!("{other:?}"),
        };
        let inspection = inspect(token.as_bytes(), &demands, Some(&set), graph.clock.now());
        assert_eq!(inspection.verdict, decided, "{token}");
        let failed: Vec<Outcome> =
            inspection.checks.iter().map(|check| check.outcome).filter(|it| matches!(it, Outcome::Failed(_))).collect();
        match decided {
            Ok(()) => assert_eq!(failed, []),
            Err(reason) => assert!(failed.contains(&Outcome::Failed(reason)), "{reason:?}: {inspection:#?}"),
        }
        n_accepted += usize::from(decided.is_ok());
    }
    assert_eq!(n_accepted, 1);
}
