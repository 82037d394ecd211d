"""Members of projects, beside a person and beside a project; a project always keeps an owner."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest

from studio.admin.base import DjangoInline, P
from studio.models import Membership, Project, User

OWNER = Membership.Role.OWNER


class KeepsAnOwner(BaseInlineFormSet):  # type: ignore[type-arg]  # takes no parameters at run time
    """Refuses changes that would leave a project without an owner."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        # A table's cells have a heading and no label; these words are for screen readers.
        words = {"user": "Person", "project": "Project", "role": "Role", "DELETE": "Take out"}
        for name in words.keys() & form.fields.keys():
            form.fields[name].widget.attrs["aria-label"] = words[name]

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        leaving: dict[int, set[int]] = {}
        arriving: set[int] = set()
        for form in self.forms:
            member: Membership = form.instance
            data: dict[str, Any] = getattr(form, "cleaned_data", None) or {}
            was_owner = bool(member.pk) and form.initial.get("role") == OWNER
            stays = data.get("role") == OWNER and not data.get("DELETE")
            if was_owner and not stays:
                leaving.setdefault(form.initial["project"], set()).add(member.pk)
            elif stays and member.project_id:
                arriving.add(member.project_id)
        for project_id, gone in leaving.items():
            others = Membership.objects.filter(project=project_id, role=OWNER).exclude(pk__in=gone)
            if project_id not in arriving and not others.exists():
                name = Project.objects.values_list("name", flat=True).get(pk=project_id)
                raise ValidationError(
                    f"“{name}” would have no owner. Make somebody else an owner first."
                )


class MembershipInline(DjangoInline[Membership, P]):
    model = Membership
    formset = KeepsAnOwner
    extra = 0

    def formfield_for_dbfield(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            # People and projects are made on their own pages.
            field.widget.can_add_related = False
            field.widget.can_change_related = False
            field.widget.can_view_related = False
        return field


class ProjectMembershipInline(MembershipInline[Project]):
    fields = ("user", "role")
    autocomplete_fields = ("user",)
    verbose_name = "member"
    verbose_name_plural = "Members"


class PersonMembershipInline(MembershipInline[User]):
    fk_name = "user"
    fields = ("project", "role")
    autocomplete_fields = ("project",)
    verbose_name = "project"
    verbose_name_plural = "Projects"
