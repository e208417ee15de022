"""The pages, by address. Every list is an address of its own; forms come back to where they were sent from."""

from starlette.routing import BaseRoute, Route

from web.pages import acts, compose, profiles, searching, settings, sign_in, threads, timelines, told

POST = ["POST"]


def routes() -> list[BaseRoute]:
    return [
        Route("/", timelines.home),
        Route("/local", timelines.local),
        Route("/company", timelines.company),
        Route("/bookmarks", timelines.bookmarks),
        Route("/favourites", timelines.favourites),
        Route("/notifications", told.page),
        Route("/search", searching.find),
        Route("/about", sign_in.about),
        Route("/sign-in", sign_in.show),
        Route("/sign-in", sign_in.sign_in, methods=POST),
        Route("/sign-out", sign_in.sign_out, methods=POST),
        Route("/compose", compose.compose),
        Route("/posts", compose.publish, methods=POST),
        Route("/posts/{id}/edit", compose.edit),
        Route("/posts/{id}/edit", compose.change, methods=POST),
        Route("/posts/{id}/{act}", acts.on_post, methods=POST),
        Route("/people/{id}/{act}", acts.on_person, methods=POST),
        Route("/tags/{name}", timelines.tag),
        Route("/tags/{name}/{act}", acts.on_tag, methods=POST),
        Route("/settings", settings.show),
        Route("/settings", settings.save, methods=POST),
        Route("/settings/password", settings.show_password),
        Route("/settings/password", settings.save_password, methods=POST),
        Route("/@{handle}", profiles.profile),
        Route("/@{handle}/followers", profiles.followers),
        Route("/@{handle}/following", profiles.following),
        Route("/@{handle}/{id}", threads.thread),
    ]
