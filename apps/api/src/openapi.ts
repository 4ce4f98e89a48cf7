/** The OpenAPI document is made from the schemas that the routes are checked with; nothing of it is written by hand. */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

export async function addOpenApi(server: FastifyInstance): Promise<void> {
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'hephy-builder',
        version: '1.0.0',
        description: 'Apps, builds, and what they say. Every refusal is a problem (RFC 9457).',
      },
      tags: [
        { name: 'apps', description: 'Apps, their settings and members' },
        { name: 'builds', description: 'Builds, what they say, and what can be done with them' },
        { name: 'users', description: 'Users and their tokens' },
        { name: 'service', description: 'Health, and this document' },
      ],
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer', description: 'A token: `hephy_…`' },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
}
