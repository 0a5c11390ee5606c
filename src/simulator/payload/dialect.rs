//! The ways in which real notifications differ from today's documentation, each of them seen in Microsoft's samples,
//! their history or captured traffic. Each can be switched on alone or with others.

/// One way to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `resource` with the old `/app/calls/` path, no `resourceUrl`.
    ResourceForResourceUrl,
    /// Both `resource` and `resourceUrl`.
    BothResources,
    /// Paths with ids in lower case with dashes.
    DashedPath,
    /// `id` in upper case without dashes.
    UndashedId,
    /// No `id` in the payload: only the path has it.
    IdFromPath,
    /// `recordResourceLocation` and `recordResourceAccessToken`.
    RecordResourceNames,
    /// `subCode` for `subcode`.
    SubCode,
    /// `code` and `subcode` as strings.
    CodeAsText,
    /// `subcode` twice in one object.
    RepeatedKey,
    /// `@odata.type` without `#`.
    TypeWithoutHash,
    /// `@odata.type` in another case.
    TypeInOtherCase,
    /// No `@odata.type` anywhere in the item.
    TypeAbsent,
    /// `Completed`, `Deleted`.
    EnumCase,
    /// A status that is not documented.
    UnknownMember,
    /// `""` for what is absent.
    EmptyForAbsent,
    /// `null` for what is absent.
    NullForAbsent,
    /// No `resultInfo` in a completed notification.
    NoResultInfo,
    /// Properties that no documentation has.
    ExtraProperties,
    /// `organizationId` for `tenantId` (subscriptions).
    OrganizationId,
    /// `EncryptedContent` for `encryptedContent` (encrypted items).
    EncryptedContentCase,
    /// No `dataSignature` (encrypted items): nothing shows that nobody changed the content.
    NoDataSignature,
}

impl Dialect {
    /// Those of the calls channel.
    pub const CALLS: &[Self] = &[
        Self::ResourceForResourceUrl,
        Self::BothResources,
        Self::DashedPath,
        Self::UndashedId,
        Self::IdFromPath,
        Self::RecordResourceNames,
        Self::SubCode,
        Self::CodeAsText,
        Self::RepeatedKey,
        Self::TypeWithoutHash,
        Self::TypeInOtherCase,
        Self::TypeAbsent,
        Self::EnumCase,
        Self::UnknownMember,
        Self::EmptyForAbsent,
        Self::NullForAbsent,
        Self::NoResultInfo,
        Self::ExtraProperties,
    ];

    /// Those of the subscriptions channel.
    pub const SUBSCRIPTIONS: &[Self] =
        &[Self::EnumCase, Self::TypeWithoutHash, Self::TypeAbsent, Self::ExtraProperties, Self::OrganizationId];

    /// Those of encrypted items. The metadata demands the signature: no receiver has to believe an item without it.
    pub const RICH: &[Self] = &[Self::EncryptedContentCase, Self::NoDataSignature];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResourceForResourceUrl => "resource_for_resource_url",
            Self::BothResources => "both_resources",
            Self::DashedPath => "dashed_path",
            Self::UndashedId => "undashed_id",
            Self::IdFromPath => "id_from_path",
            Self::RecordResourceNames => "record_resource_names",
            Self::SubCode => "sub_code",
            Self::CodeAsText => "code_as_text",
            Self::RepeatedKey => "repeated_key",
            Self::TypeWithoutHash => "odata_type_without_hash",
            Self::TypeInOtherCase => "odata_type_in_other_case",
            Self::TypeAbsent => "odata_type_absent",
            Self::EnumCase => "enum_case",
            Self::UnknownMember => "unknown_member",
            Self::EmptyForAbsent => "empty_for_absent",
            Self::NullForAbsent => "null_for_absent",
            Self::NoResultInfo => "no_result_info",
            Self::ExtraProperties => "extra_properties",
            Self::OrganizationId => "organization_id",
            Self::EncryptedContentCase => "encrypted_content_case",
            Self::NoDataSignature => "no_data_signature",
        }
    }
}

/// A set of dialects that are spoken at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Spoken(Vec<Dialect>);

impl Spoken {
    pub(super) fn add(&mut self, dialect: Dialect) {
        self.0.push(dialect);
    }

    pub(super) fn has(&self, dialect: Dialect) -> bool {
        self.0.contains(&dialect)
    }

    /// An `@odata.type` as it is spelled, `None` where it is absent.
    pub(super) fn odata_type(&self, name: &str) -> Option<String> {
        if self.has(Dialect::TypeAbsent) {
            return None;
        }
        let hash = if self.has(Dialect::TypeWithoutHash) { "" } else { "#" };
        if self.has(Dialect::TypeInOtherCase) {
            return Some(format!("{hash}Microsoft.Graph.{}", capital(name)));
        }
        Some(format!("{hash}microsoft.graph.{name}"))
    }

    /// A member of an enum as it is spelled.
    pub(super) fn member(&self, name: &str) -> String {
        if self.has(Dialect::EnumCase) { capital(name) } else { name.into() }
    }
}

fn capital(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
