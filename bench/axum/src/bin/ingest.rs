//! OTLP into the table of spans as axum's and tokio-postgres' documents would have it, on one thread: token, decode,
//! one INSERT a request. Prints its port.

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{header, HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
    Router,
};
use chrono::{DateTime, Utc};
use jsonwebtoken::{decode, Algorithm, DecodingKey, Validation};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{any_value::Value, KeyValue},
};
use prost::Message;
use serde::Deserialize;
use std::{collections::HashMap, env, error::Error, sync::Arc};

const INSERT: &str = "
INSERT INTO traces (org_id, trace_id, span_id, parent_span_id, ts, span_name, service_name, operation_type, provider,
    model, prompt_tokens, completion_tokens, total_tokens, duration_us, user_id, input_text, output_text, attributes)
SELECT $1, t, s, p, ts, n, $2, o, pr, m, i, c, i + c, d, u, pt, ct, a::jsonb
FROM unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::int8[], $12::int8[], $13::int8[], $14::text[], $15::text[], $16::text[], $17::text[])
    AS r (t, s, p, ts, n, o, pr, m, i, c, d, u, pt, ct, a)
ON CONFLICT DO NOTHING";

#[derive(Deserialize)]
struct Claims {
    org_id: String,
}

struct Service {
    secret: DecodingKey,
    validation: Validation,
    database: deadpool_postgres::Pool,
}

/// Whatever fails beyond the request itself.
struct Failed(Box<dyn Error>);

impl<E: Into<Box<dyn Error>>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:?}", self.0)).into_response()
    }
}

#[derive(Default)]
struct Columns {
    trace_id: Vec<String>,
    span_id: Vec<String>,
    parent: Vec<Option<String>>,
    ts: Vec<DateTime<Utc>>,
    name: Vec<String>,
    operation: Vec<String>,
    provider: Vec<String>,
    model: Vec<String>,
    input: Vec<Option<i64>>,
    output: Vec<Option<i64>>,
    duration: Vec<i64>,
    user: Vec<Option<String>>,
    prompt: Vec<Option<String>>,
    completion: Vec<Option<String>>,
    attributes: Vec<String>,
}

async fn traces(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Result<Response, Failed> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(Ok(token)) = token.map(|token| decode::<Claims>(token, &service.secret, &service.validation)) else {
        return Ok(StatusCode::UNAUTHORIZED.into_response());
    };
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
    let request = if is_json {
        serde_json::from_slice::<ExportTraceServiceRequest>(&body)?
    } else {
        ExportTraceServiceRequest::decode(body)?
    };
    for part in request.resource_spans {
        let resource = named(part.resource.map(|each| each.attributes).unwrap_or_default());
        let service_name = text(resource.get("service.name"));
        let mut columns = Columns::default();
        for span in part.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            columns.push(span)?;
        }
        store(&service, &token.claims.org_id, &service_name, columns).await?;
    }
    let (kind, answer) = if is_json { ("application/json", "{}") } else { ("application/x-protobuf", "") };
    Ok(([(header::CONTENT_TYPE, kind)], answer).into_response())
}

impl Columns {
    fn push(&mut self, span: opentelemetry_proto::tonic::trace::v1::Span) -> Result<(), Failed> {
        let mut values = named(span.attributes);
        let mut take = |name: &str| values.remove(name);
        self.operation.push(text(take("gen_ai.operation.name").as_ref()).unwrap_or_default());
        self.provider.push(text(take("gen_ai.provider.name").as_ref()).unwrap_or_default());
        self.model.push(text(take("gen_ai.response.model").as_ref()).unwrap_or_default());
        self.input.push(number(take("gen_ai.usage.input_tokens")));
        self.output.push(number(take("gen_ai.usage.output_tokens")));
        self.user.push(text(take("user.id").as_ref()));
        self.prompt.push(text(take("gen_ai.input.messages").as_ref()));
        self.completion.push(text(take("gen_ai.output.messages").as_ref()));
        self.trace_id.push(hex(&span.trace_id));
        self.span_id.push(hex(&span.span_id));
        self.parent.push((!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)));
        self.ts.push(DateTime::from_timestamp_nanos(span.start_time_unix_nano as i64));
        self.duration.push(((span.end_time_unix_nano - span.start_time_unix_nano) / 1000) as i64);
        self.name.push(span.name);
        self.attributes.push(serde_json::to_string(&plain(values))?);
        Ok(())
    }
}

async fn store(service: &Service, organisation: &str, name: &Option<String>, of: Columns) -> Result<(), Failed> {
    let connection = service.database.get().await?;
    let prepared = connection.prepare_cached(INSERT).await?;
    connection
        .execute(
            &prepared,
            &[
                &organisation, name, &of.trace_id, &of.span_id, &of.parent, &of.ts, &of.name, &of.operation, &of.provider,
                &of.model, &of.input, &of.output, &of.duration, &of.user, &of.prompt, &of.completion, &of.attributes,
            ],
        )
        .await?;
    Ok(())
}

fn named(attributes: Vec<KeyValue>) -> HashMap<String, Value> {
    let values = attributes.into_iter();
    values.filter_map(|each| Some((each.key, each.value?.value?))).collect()
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn number(value: Option<Value>) -> Option<i64> {
    match value? {
        Value::IntValue(number) => Some(number),
        _ => None,
    }
}

fn plain(values: HashMap<String, Value>) -> serde_json::Map<String, serde_json::Value> {
    let members = values.into_iter();
    members
        .map(|(name, value)| {
            let value = match value {
                Value::StringValue(text) => text.into(),
                Value::IntValue(number) => number.into(),
                Value::DoubleValue(number) => number.into(),
                Value::BoolValue(truth) => truth.into(),
                _ => serde_json::Value::Null,
            };
            (name, value)
        })
        .collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut postgres: tokio_postgres::Config = env::var("DATABASE_URL")?.parse()?;
    postgres.options("-c jit=off -c timezone=UTC");
    let manager = deadpool_postgres::Manager::new(postgres, tokio_postgres::NoTls);
    let service = Service {
        secret: DecodingKey::from_secret(env::var("JWT_SECRET")?.as_bytes()),
        validation: Validation::new(Algorithm::HS256),
        database: deadpool_postgres::Pool::builder(manager).max_size(20).build()?,
    };
    let router = Router::new()
        .route("/v1/traces", post(traces))
        .layer(DefaultBodyLimit::max(16 << 20))
        .with_state(Arc::new(service));
    let listening = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listening.local_addr()?.port());
    axum::serve(listening, router).await?;
    Ok(())
}
