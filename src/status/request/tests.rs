use hyper::Request;

use super::*;

const LOCAL: (&str, &str) = ("host", "localhost:8080");

fn asked(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Asked, Refusal> {
    asked_in(Version::HTTP_11, method, target, headers)
}

fn asked_in(
    version: Version,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Result<Asked, Refusal> {
    let request = Request::builder().version(version).method(method).uri(target);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (head, ()) = request.body(()).unwrap().into_parts();
    let hosts = Hosts::Named(vec!["localhost".parse().unwrap()]);
    Asked::of(&head, &hosts)
}

#[test]
fn each_path_is_its_own() {
    for (target, path) in [
        ("/", Path::Page),
        ("/?", Path::Page),
        ("/api/status", Path::Status),
        ("/metrics", Path::Metrics),
        ("/health", Path::Health),
        ("http://localhost:8080", Path::Page),
        ("http://127.0.0.1/health", Path::Health),
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(
                asked(method, target, &[LOCAL]).map(|asked| asked.path),
                Ok(path),
                "{target}"
            );
        }
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    for target in
        ["/x", "//", "/api", "/api/status/", "/Metrics", "/%68ealth", "/../health", "/health#", "*"]
    {
        // The client takes the fragment off; who sends it all the same asks for the path before it.
        let expected = if target == "/health#" { None } else { Some(Refusal::Path) };
        assert_eq!(asked("GET", target, &[LOCAL]).err(), expected, "{target}");
    }
}

#[test]
fn the_history_is_only_given_where_it_is_asked_for() {
    for (target, expected) in [
        ("/api/status", false),
        ("/api/status?plot", true),
        ("/api/status?plot=", true),
        ("/api/status?a=b&plot", true),
        ("/api/status?plots", false),
        ("/api/status?a=plot", false),
        ("/", true),
        ("/?live", false),
    ] {
        assert_eq!(asked("GET", target, &[LOCAL]).unwrap().with_history, expected, "{target}");
    }
}

#[test]
fn the_language_is_the_one_that_the_reader_likes() {
    let language =
        |accept| asked("GET", "/", &[LOCAL, ("accept-language", accept)]).unwrap().language;
    assert_eq!(language("de-DE,de;q=0.9,en;q=0.8"), Language::German);
    assert_eq!(language("en"), Language::English);
    assert_eq!(asked("GET", "/", &[LOCAL]).unwrap().language, Language::English);
}

#[test]
fn other_methods_are_refused() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "X"] {
        assert_eq!(asked(method, "/", &[LOCAL]), Err(Refusal::Method), "{method}");
        assert_eq!(asked(method, "/", &[LOCAL, ("content-length", "5")]), Err(Refusal::Method));
    }
}

#[test]
fn a_body_is_refused_and_an_empty_one_is_none() {
    let with = |name, value| asked("GET", "/", &[LOCAL, (name, value)]).map(|asked| asked.path);
    assert_eq!(with("content-length", "0"), Ok(Path::Page));
    for (name, value) in
        [("content-length", "1"), ("content-length", "x"), ("transfer-encoding", "chunked")]
    {
        assert_eq!(with(name, value), Err(Refusal::Body), "{name}: {value}");
    }
}

#[test]
fn a_request_must_be_sent_to_a_known_host() {
    let unknown = |host: &str| Err(Refusal::UnknownHost(host.to_owned()));
    let host = |host| asked("GET", "/", &[("host", host)]).map(|asked| asked.path);
    assert_eq!(host("[::1]:8080"), Ok(Path::Page));
    assert_eq!(host("rebind.example.org"), unknown("rebind.example.org"));
    assert_eq!(host(""), unknown(""));
    // Nothing else is said to whom comes by a name that is not ours.
    assert_eq!(
        asked("POST", "/x", &[("host", "a.example:80")]).map(|asked| asked.path),
        unknown("a.example:80")
    );
}

#[test]
fn a_request_must_have_one_host() {
    assert_eq!(asked("GET", "/", &[]), Err(Refusal::Host));
    assert_eq!(asked("GET", "http://localhost/", &[]), Err(Refusal::Host));
    assert_eq!(asked("GET", "/", &[LOCAL, LOCAL]), Err(Refusal::Host));
    assert_eq!(asked("GET", "/", &[("host", "caf\u{e9}")]), Err(Refusal::Host));
    assert_eq!(asked_in(Version::HTTP_10, "GET", "/", &[LOCAL, LOCAL]), Err(Refusal::Host));
}

#[test]
fn http_1_0_has_no_host_or_a_known_one() {
    let old =
        |headers: &[_]| asked_in(Version::HTTP_10, "GET", "/", headers).map(|asked| asked.path);
    assert_eq!(old(&[]), Ok(Path::Page));
    assert_eq!(old(&[LOCAL]), Ok(Path::Page));
    assert_eq!(old(&[("host", "x.y")]), Err(Refusal::UnknownHost("x.y".to_owned())));
}

#[test]
fn the_host_of_the_target_goes_before_that_of_the_header() {
    let target = |target, host| asked("GET", target, &[("host", host)]).map(|asked| asked.path);
    let unknown = |host: &str| Err(Refusal::UnknownHost(host.to_owned()));
    assert_eq!(target("http://evil.example/", "localhost"), unknown("evil.example"));
    assert_eq!(target("http://me@localhost/", "localhost"), unknown("me@localhost"));
    assert_eq!(target("http://localhost/", "evil.example"), Ok(Path::Page));
}
