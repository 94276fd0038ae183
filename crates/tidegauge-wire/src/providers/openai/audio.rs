//! Text to audio and audio to text.

use tidegauge_core::{OutputType, Source};

use super::{request, usage};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../audio/speech`
pub(crate) struct Speech;

impl Reader for Speech {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        into.request.output_type = Some(OutputType::Speech);
        into.request.stream |= body.get("stream_format").is("sse");
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        let audio = body.get("audio").has_text() || body.get("audio_data").has_text();
        into.token |= audio;
        into.response.output |= audio;
        into.ended |= body.get("type").is("speech.audio.done");
        usage::read(body.get("usage"), into);
    }
}

/// `POST .../audio/transcriptions` and `.../audio/translations`
pub(crate) struct Transcription;

impl Reader for Transcription {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        into.request.output_type = Some(OutputType::Text);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.model(body.get("model"));
        into.text(0, None, body.get("text"));
        into.text(0, None, body.get("delta"));
        into.ended |= body.get("type").is("transcript.text.done");
        let told = body.get("usage");
        if told.get("type").is("duration") {
            into.usage.audio_seconds = told.get("seconds").float().filter(|s| *s >= 0.0);
            into.usage.source = Source::Provider;
        } else {
            usage::read(told, into);
        }
        // Some state how long the audio is, and bill by it, but no usage.
        let length = body.get("duration");
        let length = length.float().or_else(|| length.text()?.parse().ok());
        if let Some(seconds) = length.filter(|s| *s > 0.0 && s.is_finite())
            && !into.usage.is_known()
        {
            into.usage.audio_seconds = Some(seconds);
            into.usage.source = Source::Provider;
        }
    }
}
