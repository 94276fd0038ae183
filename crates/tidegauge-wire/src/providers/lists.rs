//! What LiteLLM's price list calls the providers of our own one.

/// Our id in the price catalogue, and the names that stand for it. A name also stands for those that
/// continue it after a dash.
const NAMES: &[(&str, &[&str])] = &[
    ("openai", &["openai", "text-completion-openai"]),
    ("anthropic", &["anthropic"]),
    ("google", &["gemini", "vertex_ai", "vertex_ai_beta"]),
    ("aws", &["bedrock", "bedrock_converse", "bedrock_mantle"]),
    ("azure", &["azure", "azure_ai", "azure_text"]),
    ("mistral", &["mistral", "codestral", "text-completion-codestral"]),
    ("cohere", &["cohere", "cohere_chat"]),
    ("groq", &["groq"]),
    ("deepseek", &["deepseek"]),
    ("together", &["together_ai"]),
    ("fireworks", &["fireworks_ai"]),
    ("openrouter", &["openrouter"]),
    ("perplexity", &["perplexity"]),
    ("x-ai", &["xai"]),
    ("cerebras", &["cerebras"]),
    ("zai", &["zai"]),
    ("moonshotai", &["moonshot"]),
];

/// The id in our price catalogue of a provider as LiteLLM's price list names it.
pub fn price_id_of(theirs: &str) -> Option<&'static str> {
    let is = |name: &str| {
        theirs.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    NAMES.iter().find(|(_, names)| names.iter().any(|name| is(name))).map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::PROVIDERS;

    #[test]
    fn a_providers_names_lead_to_its_id() {
        let cases = [
            ("openai", Some("openai")),
            ("vertex_ai-language-models", Some("google")),
            ("vertex_ai", Some("google")),
            ("bedrock_converse", Some("aws")),
            ("fireworks_ai-embedding-models", Some("fireworks")),
            ("xai", Some("x-ai")),
            ("openai_like", None),
            ("nobody", None),
            ("", None),
        ];
        for (theirs, ours) in cases {
            assert_eq!(price_id_of(theirs), ours, "{theirs}");
        }
    }

    #[test]
    fn every_price_id_of_ours_has_a_name() {
        let ids: BTreeSet<_> = PROVIDERS.iter().filter_map(|one| one.price_id()).collect();
        assert_eq!(ids, NAMES.iter().map(|(id, _)| *id).collect());
    }
}
