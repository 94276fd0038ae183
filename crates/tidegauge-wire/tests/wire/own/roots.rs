//! Which provider a request at the root belongs to, and errors of ours in each one's shape.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tidegauge_core::Head;
use tidegauge_wire::PROVIDERS;

use crate::exchange::headers;

#[test]
fn requests_at_the_root() {
    let owner = |path: &str, header: &str| {
        let field = (header, "x");
        let fields = headers(Some(field).filter(|_| !header.is_empty()));
        let head = Head { method: &Method::POST, path, query: None, headers: &fields };
        PROVIDERS.iter().find(|provider| provider.claims(head)).map(|provider| provider.kind())
    };
    let platform = "/v1/projects/p/locations/l/publishers/google/models/m:generateContent";
    for (path, header, want) in [
        ("/v1/messages", "", Some("anthropic")),
        ("/v1/models", "anthropic-version", Some("anthropic")),
        ("/v1beta/models/m:generateContent", "", Some("gemini")),
        ("/v1/models/m:streamGenerateContent", "", Some("gemini")),
        ("/v1beta/models", "", Some("gemini")),
        ("/upload/v1beta/files", "x-goog-api-key", Some("gemini")),
        ("/download/v1beta/files/f:download", "", Some("gemini")),
        ("/v1beta/batches/b", "", Some("gemini")),
        ("/v1beta/files/f:download", "", Some("gemini")),
        ("/download/x/files", "", None),
        (platform, "", Some("vertex")),
        (platform, "x-goog-api-key", Some("vertex")),
        (platform, "anthropic-version", Some("vertex")),
        ("/model/m/invoke", "anthropic-version", Some("bedrock")),
        ("/openai/deployments/d/chat/completions", "", Some("azure")),
        ("//openai/deployments/d/chat/completions", "", Some("azure")),
        ("/model/m/converse", "", Some("bedrock")),
        ("/model/arn%3Aaws%2Fx/invoke-with-response-stream", "", Some("bedrock")),
        ("/v2/chat", "", Some("cohere")),
        ("/api/chat", "", Some("ollama")),
        ("/v1/chat/completions", "authorization", None),
        ("/v1/models", "authorization", None),
        ("/v1/models/gpt-4o", "authorization", None),
        ("/v1/models/ft:gpt-4o:org::id", "authorization", None),
        ("/v1/embeddings", "api-key", None),
        ("/openai/v1/chat/completions", "api-key", None),
        ("/v1/rerank", "", None),
        ("/v2/rerank", "", None),
        ("/model", "", None),
        ("/model/m/status", "", None),
        ("/model/converse", "", None),
        ("/api/version", "", None),
        ("/api/chat/completions", "", None),
        ("/v1/projects", "", None),
        ("/", "", None),
    ] {
        assert_eq!(owner(path, header), want, "{path} {header}");
    }
}

#[test]
fn errors_of_ours() {
    let shown = |kind: &str| -> Value {
        let provider = tidegauge_wire::provider(kind).expect("a provider");
        let body = provider.error_body(StatusCode::SERVICE_UNAVAILABLE, "timeout", "no \"answer\"");
        serde_json::from_slice(&body).expect("JSON")
    };
    let google = |body: &Value| {
        let error = &body["error"];
        assert_eq!((&error["code"], &error["status"]), (&json!(503), &json!("UNAVAILABLE")));
        assert_eq!(error["message"], "no \"answer\"");
        assert_eq!(error["details"][0]["reason"], "timeout");
    };
    google(&shown("gemini"));
    google(&shown("vertex"));
    let bedrock = shown("bedrock");
    assert_eq!(
        (&bedrock["__type"], &bedrock["message"]),
        (&json!("ServiceUnavailableException"), &json!("no \"answer\""))
    );
    assert_eq!(shown("azure")["error"]["code"], "timeout");
    assert_eq!(shown("cohere")["message"], "no \"answer\"");
    assert_eq!(shown("ollama")["error"], "timeout: no \"answer\"");
}

#[test]
fn credentials_tell_their_vendor() {
    let owner = |fields: &[(&'static str, &str)]| {
        let fields = headers(fields.iter().copied());
        tidegauge_wire::credential_owner(&fields).map(|owner| (owner.kinds[0], owner.certain))
    };
    for (name, value, want) in [
        ("x-api-key", "sk-ant-api03-x", Some(("anthropic", true))),
        ("authorization", "Bearer sk-ant-oat01-x", Some(("anthropic", true))),
        ("authorization", "bearer  sk-ant-oat01-x", Some(("anthropic", true))),
        ("authorization", "Bearer sk-proj-x", Some(("openai", true))),
        ("authorization", "Bearer sk-or-v1-x", Some(("openrouter", true))),
        ("authorization", "Bearer gsk_x", Some(("groq", true))),
        ("authorization", "AWS4-HMAC-SHA256 Credential=x", Some(("bedrock", true))),
        ("x-goog-api-key", "AIzaSyx", Some(("gemini", true))),
        ("anthropic-beta", "x", Some(("anthropic", false))),
        ("anthropic-version", "2023-06-01", Some(("anthropic", false))),
        ("x-api-key", "x", Some(("anthropic", false))),
        ("api-key", "x", Some(("azure", false))),
        // Many who speak OpenAI's format issue keys that begin so.
        ("authorization", "Bearer sk-x", None),
        ("authorization", "Bearer sk-internal", None),
        ("authorization", "Basic eA==", None),
        ("accept", "sk-ant-x", None),
    ] {
        assert_eq!(owner(&[(name, value)]), want, "{name}: {value}");
    }
    // What the key says goes before what its header says.
    let both = [("anthropic-version", "x"), ("authorization", "Bearer sk-proj-x")];
    assert_eq!(owner(&both), Some(("openai", true)));
}
